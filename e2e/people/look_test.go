package people

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/getportal/ptlauth/e2e/program"
)

// axe-core says what keeps people from using a page: as npm has it, in the version that stands here.
const (
	axeVersion = "4.14.1"
	axeSHA256  = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c" // of axe.min.js
)

// screenshots is where each page is kept as it looked; git ignores it, CI keeps it.
const screenshots = "screenshots"

// looks wants the page to be usable in dark and light at every width, and keeps pictures of it.
func (w *window) looks(name string) {
	w.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		for _, width := range widths {
			w.fitsAt(name, width)
			w.keep(fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
		}
		for _, complaint := range w.axe() {
			w.t.Errorf("%s, %s: %s", name, scheme, complaint)
		}
	}
	w.do(chromedp.ResetViewport())
}

// widths are those of a watch, a small phone and a screen, in pixels.
var widths = []int64{240, 320, 1280}

// fits wants nothing of the page to be wider than the window.
func (w *window) fits(name string) {
	w.t.Helper()
	for _, width := range widths {
		w.fitsAt(name, width)
	}
	w.do(chromedp.ResetViewport())
}

func (w *window) fitsAt(name string, width int64) {
	w.t.Helper()
	w.do(chromedp.EmulateViewport(width, 640))
	wide, err := chromedp.Run(w.ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
	if err != nil || wide > width {
		w.t.Errorf("%s is %d pixels wide in a window of %d: %v", name, wide, width, err)
	}
}

var docs = flag.String("docs", "", "the folder into which README.md's pictures are put")

// forReadme takes a picture for README.md, as a phone has it, where one is asked for.
func (w *window) forReadme(file string) {
	w.t.Helper()
	if *docs == "" {
		return
	}
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}},
	})
	w.do(chromedp.EmulateViewport(390, 700, chromedp.EmulateScale(1.5)))
	picture, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(*docs, file), picture, 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(chromedp.ResetViewport())
}

// keep takes a picture of the whole page.
func (w *window) keep(file string) {
	w.t.Helper()
	picture, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(screenshots, 0o755), os.WriteFile(filepath.Join(screenshots, file), picture, 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

// axe is what axe-core finds wrong with the page; with what it could not judge.
func (w *window) axe() []string {
	w.t.Helper()
	source := axeSource(w.t)
	// Not the page's: its policy would not let the script in.
	if _, err := chromedp.Run(w.ctx, chromedp.Evaluate[chromedp.Void](source)); err != nil {
		w.t.Fatal(err)
	}
	found, err := chromedp.Run(w.ctx, chromedp.Evaluate[[]string](`axe.run().then(found =>
		[['', found.violations], ['undecided: ', found.incomplete]].flatMap(([kind, list]) => list.flatMap(rule =>
			rule.nodes.map(node => kind + rule.id + ': ' + rule.help + ': ' + node.html + ': ' + node.failureSummary))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

var axeOnce = sync.OnceValues(fetchAxe)

func axeSource(t *testing.T) string {
	t.Helper()
	program.Need(t, "npm", "npm")
	source, err := axeOnce()
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// fetchAxe gets it from npm, once for each user of this machine.
func fetchAxe() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	file := filepath.Join(cache, "ptlauth", "axe-"+axeVersion+".min.js")
	if content, err := os.ReadFile(file); err == nil && isAxe(content) {
		return string(content), nil
	}
	folder, err := os.MkdirTemp("", "ptlauth-axe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	cmd := exec.Command("npm", "pack", "--silent", "axe-core@"+axeVersion)
	cmd.Dir = folder
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack axe-core: %w\n%s", err, output)
	}
	content, err := member(filepath.Join(folder, "axe-core-"+axeVersion+".tgz"), "package/axe.min.js")
	if err != nil {
		return "", err
	}
	if !isAxe(content) {
		return "", errors.New("axe-core " + axeVersion + " is not what it was")
	}
	err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file+".part", content, 0o644), os.Rename(file+".part", file))
	return string(content), err
}

func isAxe(content []byte) bool {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]) == axeSHA256
}

// member is a file in a gzipped archive.
func member(archive, name string) ([]byte, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if header.Name == name {
			return io.ReadAll(files)
		}
	}
}
