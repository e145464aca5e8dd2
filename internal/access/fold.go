package access

import (
	"strings"
	"unicode/utf8"
)

// letters makes one of what apps, their languages and file systems take for the same
// beyond the simple folding that (?i) does. Private prefixes and paths both go through it.
var letters = newLetters()

func newLetters() *strings.Replacer {
	// Python's re.IGNORECASE, and 'ı'.toUpperCase() in JavaScript; then full case folding
	// (CaseFolding.txt, status F): JavaScript's toUpperCase, Python's casefold, folders of
	// ext4 that do not mind case.
	pairs := strings.Fields("ı i İ i ß ss ẞ ss ﬀ ff ﬁ fi ﬂ fl ﬃ ffi ﬄ ffl ﬅ st ﬆ st ․ . ‥ ..")
	// PHP's urldecode, and what else takes a path for a query.
	pairs = append(pairs, "+", " ")
	// What HFS+ and ext4 pass over in names (CVE-2014-9390): each becomes nothing.
	const invisible = "\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e" +
		"\u2060\u2061\u2062\u2063\u2064\u206a\u206b\u206c\u206d\u206e\u206f\ufe0e\ufe0f\ufeff"
	pairs = append(pairs, strings.Split(strings.Join(strings.Split(invisible, ""), "||")+"|", "|")...)
	// Full-width forms, where an app normalises names (NFKC), each in front of the usual one.
	pairs = append(pairs, strings.Split("！!＂\"＃#＄$％%＆&＇'（(）)＊*＋ ，,－-．.／/０0１1２2３3４4５5６6７7８8９9：:；;＜<＝=＞>？?＠@ＡAＢBＣCＤDＥEＦFＧGＨHＩIＪJＫKＬLＭMＮNＯOＰPＱQＲRＳSＴTＵUＶVＷWＸXＹYＺZ［[＼\\］]＾^＿_｀`ａaｂbｃcｄdｅeｆfｇgｈhｉiｊjｋkｌlｍmｎnｏoｐpｑqｒrｓsｔtｕuｖvｗwｘxｙyｚz｛{｜|｝}～~", "")...)
	return strings.NewReplacer(pairs...)
}

// length is a prefix's number of characters, in which spellings of one prefix agree.
func length(prefix string) int {
	return utf8.RuneCountInString(letters.Replace(prefix))
}
