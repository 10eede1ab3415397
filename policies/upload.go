package policies

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// Upload streams an uploaded file. It returns the Content-Type and the body to send: one part with
// the name that Livy expects and the base name of the client's file, since Livy would write to any
// path in the name. Errors that are detected later (too large, a second part) are returned by the
// reader; they must abort the request to Livy.
func (p *Policy) Upload(
	route *livy.Route, contentEncoding, contentType string, body io.Reader,
) (string, io.Reader, error) {
	switch strings.ToLower(contentEncoding) {
	case "gzip", "deflate":
		return "", nil, gateway.Invalid("Content-Encoding", contentEncoding, "must not be set for an upload")
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return "", nil, gateway.Invalid("Content-Type", shown("", contentType),
			"must be multipart/form-data with a boundary")
	}
	arrived := bufio.NewReaderSize(body, uploadBuffer) // that of in is small
	in := multipart.NewReader(arrived, params["boundary"])
	file, err := in.NextRawPart()
	if err != nil {
		return "", nil, gateway.Wrap(gateway.KindInvalid, "body: must have one part", err)
	}
	if file.FormName() != route.Part {
		return "", nil, gateway.Invalid("part", shown("", file.FormName()), "must be named "+route.Part)
	}
	name, err := uploadName(file.Header)
	if err != nil {
		return "", nil, err
	}
	var frame bytes.Buffer
	out := multipart.NewWriter(&frame)
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s"`, route.Part, name))
	header.Set("Content-Type", "application/octet-stream")
	if _, err := out.CreatePart(header); err != nil {
		return "", nil, gateway.Wrap(gateway.KindInternal, "writing an upload", err)
	}
	head := bytes.Clone(frame.Bytes())
	frame.Reset()
	if err := out.Close(); err != nil {
		return "", nil, gateway.Wrap(gateway.KindInternal, "writing an upload", err)
	}
	content := &boundedPart{arrived: arrived, in: in, part: file, left: p.set.MaxUpload, limit: bound{p.set.MaxUpload, "max_upload"}}
	return out.FormDataContentType(), io.MultiReader(bytes.NewReader(head), content, bytes.NewReader(frame.Bytes())), nil
}

// uploadName returns the last element of a file name, which must be a plain name.
func uploadName(header textproto.MIMEHeader) (string, error) {
	if len(header["Content-Disposition"]) != 1 {
		return "", gateway.Invalid("part", "", "must have one Content-Disposition")
	}
	_, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil {
		return "", gateway.Wrap(gateway.KindInvalid, "part: must have a valid Content-Disposition", err)
	}
	// A Mac sends letters and their marks apart, and code names the file with both in one.
	name := norm.NFC.String(params["filename"])
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if name == "" || name == "." || name == ".." || len(name) > 255 {
		return "", gateway.Invalid("filename", shown("", params["filename"]), "must be a file name")
	}
	for _, c := range name {
		if !unicode.IsLetter(c) && !unicode.IsMark(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._-+@=,()'~[] ", c) {
			return "", gateway.Invalid("filename", shown("", name), "must be letters, digits, blanks and any of . _ - + @ = , ( ) ' ~ [ ]")
		}
	}
	return name, nil
}

// uploadBuffer is how much is read of an upload at once, in bytes.
const uploadBuffer = 64 << 10

// boundedPart reads the only part that an upload may have, within a limit.
type boundedPart struct {
	arrived *bufio.Reader
	in      *multipart.Reader
	part    *multipart.Part
	left    int64
	limit   bound
}

// Read implements io.Reader. It returns all that has arrived, as far as it fits: a part is read in
// small pieces, each of which would be sent by itself.
func (b *boundedPart) Read(buf []byte) (int, error) {
	n, err := b.part.Read(buf)
	for n < len(buf) && err == nil && b.arrived.Buffered() > 0 {
		var more int
		more, err = b.part.Read(buf[n:])
		n += more
	}
	b.left -= int64(n)
	if b.left < 0 {
		return 0, tooLarge("upload", b.limit)
	}
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		return n, gateway.Wrap(gateway.KindInvalid, "body: reading the upload", err)
	}
	if _, err := b.in.NextRawPart(); !errors.Is(err, io.EOF) {
		return n, gateway.Invalid("body", "", "must have one part")
	}
	return n, io.EOF
}

var _ io.Reader = (*boundedPart)(nil)
