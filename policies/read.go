package policies

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// bound is the most bytes that something may have, and the operator's option for it.
type bound struct {
	bytes  int64
	option string
}

// read reads a whole body within a bound, decodes it as Livy does and makes
// sure that it is UTF-8 text.
func read(contentEncoding, contentType string, body io.Reader, limit bound) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(contentType); err == nil && (media == "application/x-www-form-urlencoded" || strings.HasPrefix(media, "multipart/")) {
		// Livy would look for a method override in a form, and find no content afterwards.
		return nil, gateway.Invalid("Content-Type", media, "must be application/json")
	}
	var closer io.Closer
	// Livy knows these two, alone and in any case; it ignores everything else, such as the "UTF-8"
	// of its own Java client.
	switch strings.ToLower(contentEncoding) {
	case "gzip":
		z, err := gzip.NewReader(io.LimitReader(body, limit.bytes+1))
		if err != nil {
			return nil, gateway.Wrap(gateway.KindInvalid, "body: must be gzip as its Content-Encoding says", err)
		}
		body, closer = z, z
	case "deflate":
		z, err := zlib.NewReader(io.LimitReader(body, limit.bytes+1))
		if err != nil {
			return nil, gateway.Wrap(gateway.KindInvalid,
				"body: must be deflate (zlib) as its Content-Encoding says", err)
		}
		body, closer = z, z
	}
	data, err := readBounded(body, limit)
	if err != nil {
		return nil, err
	}
	if closer != nil {
		if err := closer.Close(); err != nil {
			return nil, gateway.Wrap(gateway.KindInvalid, "body: decoding it", err)
		}
	}
	return utf8Text(data)
}

func readBounded(body io.Reader, limit bound) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, 2048))
	n, err := buf.ReadFrom(io.LimitReader(body, limit.bytes+1))
	if n > limit.bytes {
		return nil, tooLarge("body", limit)
	}
	if err != nil {
		if _, ok := errors.AsType[*gateway.Error](err); ok {
			return nil, err
		}
		return nil, gateway.Wrap(gateway.KindInvalid, "body: reading it", err)
	}
	return buf.Bytes(), nil
}

func tooLarge(what string, limit bound) error {
	err := gateway.InvalidLine(what, fmt.Sprintf("must be at most %d bytes once decoded; the operator's option %s says so", limit.bytes, limit.option))
	if limit.option == "max_code" {
		err.Kind = gateway.KindTooLarge
	}
	return err
}

// utf8Text removes a UTF-8 byte order mark and rejects the other encodings that Livy would
// recognize.
func utf8Text(data []byte) ([]byte, error) {
	if rest, ok := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); ok {
		return rest, nil
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) ||
		len(data) >= 2 && (data[0] == 0 || data[1] == 0) {
		return nil, gateway.Invalid("body", "", "must be UTF-8, not UTF-16 or UTF-32")
	}
	return data, nil
}
