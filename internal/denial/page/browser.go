package page

import (
	"encoding/json"
	"strings"
)

// OtherApp is an app with a browser inside whose name is unknown.
const OtherApp = "another app"

// maxAgent bounds how much of a User-Agent is looked at.
const maxAgent = 1 << 10

// signs are what a User-Agent may have in it, and what that means, in pairs. As Go, they would
// make every start slower.
func signs(list string) [][]string {
	var pairs [][]string
	_ = json.Unmarshal([]byte(list), &pairs)
	return pairs
}

// browsers stand in the order in which they are looked for: most of them call themselves
// Chrome and Safari too.
var browsers = signs(`[
	["Edg/", "Edge"], ["EdgA/", "Edge"], ["EdgiOS/", "Edge"],
	["OPR/", "Opera"], ["OPT/", "Opera"], ["OPX/", "Opera"],
	["SamsungBrowser/", "Samsung Internet"], ["Vivaldi/", "Vivaldi"], ["YaBrowser/", "Yandex"],
	["DuckDuckGo/", "DuckDuckGo"], ["Ddg/", "DuckDuckGo"], ["Silk/", "Silk"],
	["Firefox/", "Firefox"], ["FxiOS/", "Firefox"], ["Focus/", "Firefox Focus"],
	["CriOS/", "Chrome"], ["Chromium/", "Chromium"], ["Chrome/", "Chrome"], ["Epiphany/", "Epiphany"],
	["Safari/", "Safari"]
]`)

// systems are in that order too: Android is a Linux, and an iPhone is like Mac OS X.
var systems = signs(`[
	["iPhone", "iPhone"], ["iPad", "iPad"], ["Android", "Android"], ["CrOS", "ChromeOS"],
	["Windows", "Windows"], ["Macintosh", "macOS"], ["Linux", "Linux"], ["X11", "Unix"]
]`)

// apps have a browser inside, with cookies of its own.
var apps = signs(`[
	["Instagram", "Instagram"], ["FBAN/", "Facebook"], ["FBAV/", "Facebook"], ["FB_IAB/", "Facebook"],
	["musical_ly", "TikTok"], ["BytedanceWebview", "TikTok"], ["TikTok", "TikTok"],
	["MicroMessenger/", "WeChat"], [" Line/", "LINE"], ["KAKAOTALK", "KakaoTalk"], ["NAVER(", "NAVER"],
	["Snapchat", "Snapchat"], ["Twitter", "X"], ["LinkedInApp", "LinkedIn"], ["Pinterest", "Pinterest"],
	["Telegram", "Telegram"], ["WhatsApp", "WhatsApp"], ["Reddit/", "Reddit"], ["GSA/", "Google"],
	["; wv)", "` + OtherApp + `"]
]`)

// Browser says with which browser and on what a person asks, such as Chrome on Android;
// empty where neither is known. The User-Agent says what it likes: it is for people to
// recognise, and for nothing else.
func Browser(userAgent string) string {
	agent := cut(userAgent)
	browser := find(browsers, agent)
	system := find(systems, agent)
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + " on " + system
}

// InApp is the app whose inner browser asks; empty where it is a browser of its own. A page
// on an iPhone's home screen is none, and cannot be told from one.
func InApp(userAgent string) string {
	return find(apps, cut(userAgent))
}

func cut(userAgent string) string {
	if len(userAgent) > maxAgent {
		return userAgent[:maxAgent]
	}
	return userAgent
}

// find is the first name whose sign is there.
func find(signs [][]string, agent string) string {
	for _, sign := range signs {
		if strings.Contains(agent, sign[0]) {
			return sign[1]
		}
	}
	return ""
}
