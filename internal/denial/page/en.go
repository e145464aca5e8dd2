package page

var english = &texts{
	tag: "en",
	pages: map[Name]words{
		Refused: {
			"This device is not paired with {site}",
			"Only paired devices can open this page.",
			"Pair it, or use a device that is paired.",
		},
		Unpaired: {
			"This device is no longer paired with {site}",
			"It has been signed out, or its time is up.",
			"Pair it again, or use a device that is paired.",
		},
		Nobody: {
			"No device is paired with {site} yet",
			"So nobody can open this page.",
			"If this site is yours, pair your first device.",
		},
		Forbidden: {
			"This device may not open this page",
			"It is known here, but this page is not meant for it.",
			"If another site’s link brought you here, go to {site} yourself and try again.",
		},
		NoApp: {
			"There is no such app here",
			"Nothing can be found at {site}.",
			"Check the address for a typing mistake. The app may also have been removed.",
		},
		Method: {
			"This way of asking is not available here",
			"Your browser asked for something that is not offered on this page.",
			"Go back, and try it another way.",
		},
		TooManyHeaders: {
			"Your browser sent too many headers",
			"More came with this request than is accepted here. An extension of your browser may be the reason.",
			"Try again in a private window.",
		},
		NotReady: {
			"This page is not ready yet",
			"The check at the door of {site} cannot be made right now.",
			"Try again in a minute. If it stays like this, whoever runs this site finds the reason in Traefik’s log.",
		},
		Pair: {
			"Pair this device with {site}",
			"Type the code that you were given. If you opened a link, the code is in the field already.",
			"",
		},
		Confirm: {
			"Pair this browser?",
			"From then on it can open the site without asking again.",
			"Go on only if you asked for this, or know who sent it to you.",
		},
		Wrong: {
			"This code does not work",
			"It may have a typing mistake, may have been used already, or may be too old.",
			"Check it, or ask for a new one.",
		},
		Slow: {
			"Too many wrong codes",
			"To keep guessers out, typed codes are not taken for a minute.",
			"Wait a minute, then try again. A link that you were given works right away.",
		},
		NotKept: {
			"Your browser did not keep the pairing",
			"It does not accept cookies from {site}, or it is a window that forgets everything.",
			"Allow cookies for this site or use another browser, and ask for a new code.",
		},
		Device: {
			"This device is paired with {site}",
			"",
			"",
		},
		LeaveAsk: {
			"Sign out of {site}?",
			"This browser forgets that it is paired. To come back, it needs a new code.",
			"For a device that is lost this is not enough: whoever runs the site can unpair it, and then it is out wherever it is.",
		},
		Left: {
			"You are signed out of {site}",
			"This browser is no longer paired.",
			"The device is still on the list of paired ones; whoever runs the site can take it off.",
		},
	},

	thisSite: "this site", anotherApp: "another app",
	on:      "on",
	contact: "Need help? Ask {contact}.",

	haveCode:      "Were you given a code? Type it here. Were you given a link? Open it in this browser.",
	haveLink:      "Were you given a code or a link? Then you can pair this device.",
	firstByCode:   "Is this site yours? Run <code>ptl pair</code> on the machine that it runs on, and open the link, or type the code, that you get.",
	inApp:         "This is the browser inside {app}. What is paired here is paired nowhere else. Open its menu and choose “Open in browser” first.",
	alreadyPaired: "This browser is already paired as {paired}. The new pairing replaces that.",
	wasPaired:     "Until now it was paired as {paired}. If nothing else uses that, whoever runs the site can unpair it.",

	code:     "Code",
	codeHint: "10 letters and digits, such as 7K2P9-XQRWT. Capitals do not matter.",
	noScript: "Did you open a link? Then the code is the last part of its address, after the sign #.",
	look:     "Continue",

	pair: "Pair", cancel: "Cancel", again: "Pair again", open: "Open {site}", signOut: "Sign out",

	device: "Device", user: "For", site: "Site", browser: "Browser", since: "Paired since",

	locked:        "Something is in the way",
	lockedText:    "Your browser keeps sending a sign-in cookie that is not valid here; another app may have left it behind. Delete it if pairing does not work.",
	deleteOne:     "Delete this cookie",
	deleteAllText: "If that does not help, delete all cookies of this site. It also signs you out of other apps and sites under the same domain.",
	deleteAll:     "Delete all cookies",

	date: "{day} {month} {year}", first: "1",
	months: []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}
