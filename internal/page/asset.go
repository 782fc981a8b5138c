package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
)

//go:embed assets/*.css assets/*.js
var assetFiles embed.FS

// hashAssets returns a hash of all assets: their folder's name, so that they
// may be kept for ever, and the scripts find each other in it.
func hashAssets() string {
	sum := sha256.New()
	names, _ := fs.Glob(assetFiles, "assets/*") // fails for a bad pattern only
	for _, name := range names {
		sum.Write([]byte(name + "\x00" + asset(name) + "\x00"))
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// asset returns an embedded file, which must be there.
func asset(name string) string {
	b, _ := assetFiles.ReadFile(name)
	return string(b)
}

func (h *handler) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := "assets/" + r.PathValue("file")
	b, err := assetFiles.ReadFile(name)
	if err != nil || r.PathValue("version") != h.version {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	switch path.Ext(name) {
	case ".css":
		header.Set("Content-Type", "text/css; charset=utf-8")
	case ".js":
		header.Set("Content-Type", "text/javascript; charset=utf-8")
	}
	header.Set("Cache-Control", "max-age=31536000, immutable")
	_, _ = w.Write(b) //nolint:gosec // one of our own files, of a declared type
}

// modules returns the scripts that the page and the report share, each behind
// those that it imports.
func modules() []string {
	return []string{"text.js", "copy.js", "model.js", "view.js", "grid.js", "panels.js", "app.js"}
}
