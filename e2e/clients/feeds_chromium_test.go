package clients

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
)

// chromium has one page, and a token in its cookies for an address.
type chromium struct{ ctx context.Context }

func newChromium(t *testing.T, address, token string) *chromium {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program.Need(t, "chromium", "chromium")),
		chromedp.NoSandbox, // CI is root
		chromedp.DisableGPU, chromedp.Flag("accept-lang", "en"))
	allocator, endAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		end()
		endAllocator()
	})
	c := &chromium{ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: "authorization", Value: token, URL: address + "/"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// sees opens an address, and waits until what a person sees there has this text.
func (c *chromium) sees(t *testing.T, address, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	poll.Until(t, 20*time.Second, func() string {
		page, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
		if err != nil || !strings.Contains(page, want) {
			return fmt.Sprintf("%v, and a person sees\n%s\nwant %q", err, page, want)
		}
		return ""
	})
}
