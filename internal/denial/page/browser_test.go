package page

import (
	"strings"
	"testing"
)

func TestBrowser(t *testing.T) {
	const webKit = "AppleWebKit/537.36 (KHTML, like Gecko) "
	for _, test := range []struct{ name, agent, browser, inApp string }{
		{"Chrome on a phone", "Mozilla/5.0 (Linux; Android 10; K) " + webKit + "Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android", ""},
		{"Chrome on an iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone", ""},
		{"Safari on an iPad", "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Mobile/15E148 Safari/604.1", "Safari on iPad", ""},
		{"Safari on a Mac", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "Safari on macOS", ""},
		{"Firefox on Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux", ""},
		{"Edge on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webKit + "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows", ""},
		{"Samsung Internet", "Mozilla/5.0 (Linux; Android 10; K) " + webKit + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android", ""},
		{"a page on an iPhone's home screen", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", "iPhone", ""},
		{"Instagram", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 350.0", "iPhone", "Instagram"},
		{"Facebook", "Mozilla/5.0 (Linux; Android 14; SM-S901; wv) " + webKit + "Version/4.0 Chrome/140.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/480.0;]", "Chrome on Android", "Facebook"},
		{"TikTok", "Mozilla/5.0 (Linux; Android 14; SM-S901; wv) " + webKit + "Chrome/140.0.0.0 Mobile Safari/537.36 musical_ly_2023 BytedanceWebview/d8a21c6", "Chrome on Android", "TikTok"},
		{"LINE", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/15.0.0", "iPhone", "LINE"},
		{"WeChat", "Mozilla/5.0 (Linux; Android 14; K; wv) " + webKit + "Chrome/120.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0", "Chrome on Android", "WeChat"},
		{"an app that does not say which", "Mozilla/5.0 (Linux; Android 14; SM-S901; wv) " + webKit + "Version/4.0 Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android", OtherApp},
		{"a program", "curl/8.0", "", ""},
		{"nothing", "", "", ""},
		{"markup is no name", "<script>Firefox/</script>", "Firefox", ""},
		{"what comes after 1 KiB", strings.Repeat("x", 1<<10) + "Firefox/140.0 Instagram", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Browser(test.agent); got != test.browser {
				t.Errorf("the browser is %q, want %q", got, test.browser)
			}
			if got := InApp(test.agent); got != test.inApp {
				t.Errorf("the app is %q, want %q", got, test.inApp)
			}
		})
	}
}
