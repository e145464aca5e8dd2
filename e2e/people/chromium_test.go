package people

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/getportal/ptlauth/e2e/program"
)

// profile is one person's Chromium, started and ended as often as they like: its cookies are in a folder.
type profile struct {
	dir       string
	userAgent string // empty: Chromium's own
	noScript  bool   // JavaScript is switched off
	noCookies bool   // all cookies are blocked
	languages string // Accept-Language; empty: en
}

func newProfile(t *testing.T) *profile {
	t.Helper()
	dir, err := os.MkdirTemp("", "ptlauth-profile-") // not t.TempDir: Chromium may write until it has ended
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 20 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	return &profile{dir: dir}
}

// window is a Chromium with one page.
type window struct {
	t    *testing.T
	ctx  context.Context
	stop func()
}

// open starts Chromium with the profile; all names lead to the site, or to another address.
func (p *profile) open(t *testing.T, s *site, addr ...string) *window {
	t.Helper()
	chromium := program.Need(t, "chromium", "chromium")
	if p.noCookies {
		p.prefer(t, `{"profile": {"default_content_setting_values": {"cookies": 2}, "block_third_party_cookies": true, "cookie_controls_mode": 1}}`)
	}
	var leads string
	if len(addr) > 0 {
		leads = addr[0]
	} else {
		leads = s.addr()
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium),
		chromedp.NoSandbox, // CI is root
		chromedp.DisableGPU,
		chromedp.UserDataDir(p.dir),
		chromedp.Flag("enable-automation", false),
		chromedp.Flag("host-resolver-rules", "MAP * "+leads),
	)
	if s.issuerHash != "" {
		options = append(options, chromedp.Flag("ignore-certificate-errors-spki-list", s.issuerHash))
	}
	if p.languages != "" {
		options = append(options, chromedp.Flag("accept-lang", p.languages))
	}
	if p.userAgent != "" {
		options = append(options, chromedp.UserAgent(p.userAgent))
	}
	allocator, endAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, endBrowser := chromedp.NewContext(allocator)
	ctx, endInTime := context.WithTimeout(ctx, 2*time.Minute)
	w := &window{t: t, ctx: ctx}
	ended := false
	w.stop = func() {
		if !ended {
			ended = true
			_ = chromedp.Cancel(ctx) // closes it as a person does, so that it writes its cookies
			endInTime()
			endBrowser()
			endAllocator()
		}
	}
	t.Cleanup(w.stop)
	w.start()
	if p.noScript {
		call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	return w
}

// prefer writes a profile's settings, before Chromium is started with it first.
func (p *profile) prefer(t *testing.T, preferences string) {
	t.Helper()
	folder := filepath.Join(p.dir, "Default")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "Preferences")
	if _, err := os.Stat(file); err == nil {
		return
	}
	if err := os.WriteFile(file, []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *window) do(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.t.Fatalf("%v\nat %s:\n%s", err, w.maybe(`location.href`), w.maybe(`document.body.innerText`))
	}
}

// maybe is a value of the page, for a complaint.
func (w *window) maybe(expression string) string {
	ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		return err.Error()
	}
	return text
}

// value is a text of the page.
func (w *window) value(expression string) string {
	w.t.Helper()
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// visit opens an address, and returns the status with which the page came in the end.
func (w *window) visit(url string) int {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	response, err := chromedp.Run(ctx, chromedp.NavigateResponse(url))
	if err != nil {
		w.t.Fatalf("%s: %v", url, err)
	}
	if response == nil {
		return 0
	}
	return int(response.Status)
}

// openSame opens an address that may differ from the page's in its fragment alone.
func (w *window) openSame(url string) {
	w.t.Helper()
	w.do(chromedp.Navigate(url))
}

// press clicks what a person sees with that text, and waits for the page that comes.
func (w *window) press(text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	control := fmt.Sprintf(`//*[self::button or self::a or self::summary][contains(normalize-space(.), %q)]`, text)
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.Search(control), chromedp.NodeVisible)); err != nil {
		w.t.Fatalf("pressing %q: %v\nat %s:\n%s", text, err, w.maybe(`location.href`), w.maybe(`document.body.innerText`))
	}
}

// submit presses the button of the page's form, and waits for the page that comes.
func (w *window) submit() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(mainButton), chromedp.NodeVisible)); err != nil {
		w.t.Fatalf("pressing the button: %v\nat %s:\n%s", err, w.maybe(`location.href`), w.maybe(`document.body.innerText`))
	}
}

// patience is how long a browser may take for one step.
const patience = 15 * time.Second

const mainButton = "form button"

// press2 presses the button and does not wait.
func (w *window) press2() {
	w.t.Helper()
	w.do(chromedp.Click(chromedp.CSS(mainButton), chromedp.NodeVisible))
}

// tabTo presses Tab until what has the focus matches.
func (w *window) tabTo(selector string) {
	w.t.Helper()
	focused := fmt.Sprintf("document.activeElement.matches(%q)", selector)
	for range 10 {
		if w.value(focused) == "true" {
			return
		}
		w.keys(tab)
	}
	w.t.Fatalf("Tab does not lead to %s:\n%s", selector, w.value("document.body.innerHTML"))
}

// tab opens another page of the same browser.
func (w *window) tab() *window {
	w.t.Helper()
	ctx, cancel := chromedp.NewContext(w.ctx)
	w.t.Cleanup(cancel)
	other := &window{t: w.t, ctx: ctx, stop: cancel}
	other.start()
	return other
}

// start begins with an empty page. What is started lives as long as the context that it is started with.
func (w *window) start() {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, chromedp.Navigate("about:blank")); err != nil {
		w.t.Fatal(err)
	}
}

// cookie is the device's cookie, as the browser keeps it.
func (w *window) cookie() *network.Cookie {
	w.t.Helper()
	for _, cookie := range call(w, network.GetCookies, network.GetCookiesParams{}).Cookies {
		if cookie.Name == "authorization" {
			return cookie
		}
	}
	w.t.Fatal("there is no cookie")
	return nil
}

// wantCookie wants the device's cookie as it must be.
func (w *window) wantCookie(secure bool) {
	w.t.Helper()
	c := w.cookie()
	days := int(time.Until(time.Unix(int64(c.Expires), 0)).Hours()/24 + 0.5)
	if !c.HTTPOnly || c.Secure != secure || c.SameSite != "Lax" || c.Path != "/" || days != 400 {
		w.t.Errorf("the cookie is kept %d days, as %+v", days, c)
	}
}

// follow clicks a link, and waits for the page that comes.
func (w *window) follow(selector string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)); err != nil {
		w.t.Fatalf("following %s: %v\nat %s:\n%s", selector, err, w.maybe(`location.href`), w.maybe(`document.body.innerHTML`))
	}
}

// submitOrType presses the button; where the code did not come along, it is typed before.
func (w *window) submitOrType(code string) {
	w.t.Helper()
	if w.value("document.querySelector('input[name=code]').value") == "" {
		w.typeInto("input[name=code]", code)
	}
	w.submit()
}

// await has the page do something, and returns what came of it.
func (w *window) await(promise string) string {
	w.t.Helper()
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("("+promise+").then(String)", chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatalf("%s: %v", promise, err)
	}
	return text
}

// in is the same window for a part of the test.
func (w *window) in(t *testing.T) *window {
	w.t = t
	return w
}

// typeInto types into a field.
func (w *window) typeInto(selector, text string) {
	w.t.Helper()
	w.do(chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// keys are pressed one after the other, wherever the focus is.
func (w *window) keys(keys string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(keys))
}

const (
	tab   = kb.Tab
	enter = kb.Enter
)

// says waits until the page shows all of the texts.
func (w *window) says(texts ...string) {
	w.t.Helper()
	within(w.t, 10*time.Second, func() string {
		page := w.maybe(`document.body.innerText`)
		for _, text := range texts {
			if !strings.Contains(page, text) {
				return fmt.Sprintf("%s does not say %q, but\n%s", w.maybe(`location.href`), text, page)
			}
		}
		return ""
	})
}

// at waits until the page's address is that one.
func (w *window) at(url string) {
	w.t.Helper()
	within(w.t, 10*time.Second, func() string {
		if got := w.maybe(`location.href`); got != url {
			return fmt.Sprintf("at %s, want %s:\n%s", got, url, w.maybe(`document.body.innerText`))
		}
		return ""
	})
}

func call[P, R any](w *window, command cdp.Command[P, R], params P) R {
	w.t.Helper()
	result, err := chromedp.Call(w.ctx, command, params)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}
