package page

import (
	"crypto/sha256"
	"encoding/base64"
)

// style is for 240 to 2,000 pixels, dark and light. Whatever stands in front of something
// has a contrast of at least 4.5 (WCAG 2.2 §1.4.3), and nothing moves.
const style = `
:root { color-scheme: light dark; --text: #1f2328; --soft: #57606a; --card: #fff; --page: #f3f5f7; --line: #8c959f; --mark: #08794a; --on: #fff; --note: #fff4d6 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #a3adb8; --card: #161b22; --page: #0d1117; --line: #768390; --mark: #56d39a; --on: #06281a; --note: #3a2f0b } }
* { box-sizing: border-box }
body { margin: 0; padding: 1rem; min-height: 100vh; display: flex; flex-direction: column; align-items: center; font: 1.0625rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--text); background: var(--page); overflow-wrap: break-word; overflow-wrap: anywhere }
main { width: 100%; max-width: 34rem; margin-top: 10vh; padding: 1.5rem; border-radius: .75rem; background: var(--card) }
svg { display: block; width: 2.5rem; height: 2.5rem; color: var(--mark) }
h1 { margin: .75rem 0; font-size: 1.5rem; line-height: 1.25 }
h2 { margin: 2rem 0 .5rem; font-size: 1.125rem }
p { margin: .75rem 0 }
bdi { font-weight: 600 }
h1 bdi, a bdi { font-weight: inherit }
a { color: var(--mark) }
code { font: .95em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
form { margin: 1rem 0 }
label { display: block; font-weight: 600 }
input { width: 100%; min-height: 2.75rem; margin: .25rem 0; padding: .25rem .75rem; border: 1px solid var(--line); border-radius: .375rem; font: 1.125rem ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; letter-spacing: .06em; color: inherit; background: transparent }
#hint { margin: 0 0 .75rem; font-size: .9375rem; color: var(--soft) }
button, .button { display: inline-block; max-width: 100%; min-height: 2.75rem; padding: .5rem 1.25rem; border: 2px solid var(--mark); border-radius: .375rem; font: inherit; font-weight: 600; text-align: center; text-decoration: none; white-space: normal; color: var(--on); background: var(--mark); cursor: pointer }
.second { color: var(--text); border-color: var(--line); background: transparent }
a:focus-visible, button:focus-visible, input:focus-visible { outline: 3px solid var(--text); outline-offset: 2px }
.notice { padding: .75rem 1rem; border-radius: .375rem; background: var(--note) }
dl { margin: 1rem 0 }
dl div { padding: .375rem 0; border-bottom: 1px solid var(--page) }
dt { font-size: .9375rem; color: var(--soft) }
dd { margin: 0 }
footer { width: 100%; max-width: 34rem; padding: 0 1.5rem; color: var(--soft) }
@media (max-width: 22rem) { body { padding: 0 } main { margin-top: 0; padding: 1rem; border-radius: 0 } h1 { font-size: 1.25rem; hyphens: auto } footer { padding: 0 1rem } }
`

// script moves a link's code from the address, where it would stay in the history, into the
// form. It sends nothing: opening a link must do nothing. A browser loads nothing where a link
// differs from the page's address in the code alone, so the page that has no field makes way.
const script = `
(function () {
	function take() {
		var code = location.hash.slice(1, 129), field = document.getElementById("code");
		if (!code) return;
		if (!field) return location.replace("pair" + (location.search || "?") + location.hash);
		field.value = code;
		if (!field.form.hasAttribute("data-keep")) history.replaceState(null, "", location.pathname + location.search);
		field.form.querySelector("button").focus();
	}
	addEventListener("hashchange", take);
	take();
})();
`

// emblem is a door.
const emblem = `<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" d="M5 21V10a7 7 0 0 1 14 0v11M2 21h20M15 14v2"/></svg>
`

// hash is how a Content-Security-Policy names a style or a script (CSP 3 §2.3.1).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
