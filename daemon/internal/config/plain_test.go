package config

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// show prints a node with all that is read of it, a line each.
func show(b *strings.Builder, n *node, depth int) {
	fmt.Fprintf(b, "%s%d/%d key %d %q, kind %d %q\n", strings.Repeat("  ", depth), n.at, n.line, n.keyKind, n.key, n.kind, n.text)
	for c := n.first; c != nil; c = c.next {
		show(b, c, depth+1)
	}
}

// agree fails if the reader of plain files reads something that the full parser does not, or otherwise.
func agree(t *testing.T, data []byte) (wasPlain bool) {
	t.Helper()
	text, err := clean(data)
	if err != nil {
		return false
	}
	root, ok := plain(text)
	if !ok {
		return false
	}
	want, err := full(text)
	if err != nil {
		t.Fatalf("%q: the full parser says: %v", text, err)
	}
	var got, expected strings.Builder
	show(&got, root, 0)
	show(&expected, want, 0)
	if got.String() != expected.String() {
		t.Fatalf("%q:\n%s\nand the full parser reads\n%s", text, got.String(), expected.String())
	}
	return true
}

var plainFiles = []string{
	"tasks: []\n", "tasks: []", "---\ntasks: []\n", "a: b", "a: b # c\n# d\n  # e\nf: g", "a:\n- b\n- c\nd: e\n", "a:\n  - b\n\n  - c\n\nd: e",
	"a:\n  b:\n    c: d\n  e: f\ng: {h: i, j: [k, l], m: {}}\n", "a: [b, \"c\", 'd''e', \"f\\\"g\\\\h\\n\", 1, -2, 0x3, .5, true]\n",
	"a: 1\nb: 1.5\nc: 0755\nd: 1_0\ne: .inf\nf: .nan\ng: +1\nh: 1.2.3\ni: -x\nj: 0o7\nk: 1e3\nl: 12:30\nm: 2027-01-01T00:00:00Z\nn: FALSE\no: on\n",
	"a: http://x/y#z\nb: x#y\nc: cron \"0 3 * * *\" Europe/Berlin\nd: any(every 1s; once) max=3\ne: ä€😀\nf: a - b\ng: a, b\nh: a [b] {c}\n",
	"a: |\n  b\n  c\nd: |-\n    e\n      f\n\n    g\nh:\n- |\n  i\n- |-\n  j\nk: l\n", "a:\n- b: c\n  d: e\n-   f: g\n    h:\n    - i\n-\n  j: k\n",
	"a:\n  # b\n  c: d\n# e\n  # f\n  g: h # i\n\n\n#j", "a.b/c-d_e: f\n", "a: ''\nb: \"\"\nc: ' x '\n", "a:   b   \nc:    - d\n", "a: /x\nb: (c)\nd: ~x\ne: _f\n",
	"a: [ b , c ]\nd: { e: f , g: h }\n", "a: [b c, d:e, f#g]\n", "a: {b: http://c/d?e=f&g=h}\n", "a: b\n\n---\n", "a: b\n...\n", "a:\n- b\n -c\n", "a: b\n c\n", "a: 'b'\n c: d\n", "a: |\n\n  b\n", "a: |\n  b\n \n  c\n",
	"a: [b\n]\n", "- a\n", "a\n", "a:\n", "a: ~\n", "a: null\n", "a: b\na: c\n", "a: b: c\n", "a: b:\n", "a: |2\n   b\n", "a: |+\n b\n\n", "a: >\n b\n", "a: *b\n", "a: &b c\n", "a: !b c\n", "a: - b\n", "a:\t b\n", "a: b\t\n", "a: \"b\tc\"\n",
	"true: a\n", "1: a\n", "<<: a\n", "? a\n: b\n", "a: [b]: c\n", "a: [b] c\n", "a: \"b\" c\n", "a: 'b'#c\n", "a: [b, ]\n", "a: {b}\n", "a: {b: }\n", "a: [,]\n", "a: [[b, {c: [d]}], []]\n", "a: - \n", "a: -\n", "a: [-]\n", "a: [- b]\n", "a:\n- - b\n",
	"a: --- b\n", "--- a: b\n", "a: ...\n", "a: .\n", "a: +\n", "a: --\n", "a: ---\n", "a: [---]\n", "a:\n- ---\n", "a:\n- ...b\n", "a: 0\nb: 00\nc: 0b1\nd: 99999999999999999999\ne: 1.\nf: -.5\ng: +.inf\nh: -.inf\n", "a: - b", "a: -b", "a: |\n  b", "a: |-\n  b", "a:\n  - |\n    b\n  # c\n  - d\n", "a: |\n  b\n  # c\n# d\ne: f\n", "a: |-\n b  \n", "a: b\n  c\n  d e\nf: g\n", "a:\n- b\n  c # d\n- e\n", "a: b #c\n  d\n", "a: 1\n 2\n", "a: b\n\n  c\n", "a: b\n  # c\n  d\n", "a: b  \n    c  \n", "a:\n- b: c\n   d\n  e: f\n", "a: |\n b  \n c\n",
}

func TestFilesThatArePlainAreReadAsTheFullParserReadsThem(t *testing.T) {
	read := 0
	for _, text := range plainFiles {
		t.Run(text, func(t *testing.T) {
			if agree(t, []byte(text)) {
				read++
			}
		})
	}
	if read < 25 {
		t.Errorf("only %d of %d are plain", read, len(plainFiles))
	}
}

// If this fails, a file as people write them takes ten times as long to load.
func TestTheExampleIsPlain(t *testing.T) {
	data, err := os.ReadFile("../../cmd/clockd/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !agree(t, data) {
		t.Error("the example needs the full parser")
	}
}

// FuzzThePlainReaderReadsWhatTheFullParserReads looks for texts that the two readers of YAML disagree on.
func FuzzThePlainReaderReadsWhatTheFullParserReads(f *testing.F) {
	for _, text := range plainFiles {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, data) })
}

// TestRandomTextsAreReadAsTheFullParserReadsThem puts together what YAML is made of, which a fuzzer that
// changes bytes rarely does in a way that makes sense.
func TestRandomTextsAreReadAsTheFullParserReadsThem(t *testing.T) {
	values := []string{
		"b", "b c", "12", "-1", "0x1f", "true", "null", "~", "1.5", ".inf", "'q r'", `"s t"`, `"u\"v\\n"`, "'w''x'", "[]", "{}", "[b, c]", "[1, 'd', {e: f}]", "{e: f, g: [h]}",
		"http://h:80/i", "any(once; forever)", `cron "0 3 * * *" UTC`, "x#y", "x: y", "x:", "- z", "-z", "*a", "&a b", "!t c", "@d", "`e`", "%f", "[b", "b]", "{b", "b, c", "a - b", "---", "...", "?", "? g", "/p", "ä€", "| b", ">",
		"|\n", "|-\n", "|+\n", ">-\n", "# n", "b # n", "'b' # n", "[b] # n", "'b'# n", "b#n", "1 # n", "true # n", "", " ", "b  ", "\tb", "b\t", "b\n", "\n", "\n\n", "\n# n", "\n  # n\n", "1_000", "0b1", "0b2", "0o7", "08", "0xg", "1e3", "1.e3", "-.5", "+.inf", "-.nan", ".5s", "-0x1.8p1", "++1", "1-2", "1+1", "a1", "-inf", "0x_1", "1.2.3", "10s", "-e", "-ff", "2027-01-01T00:00:00Z", "12:30", "on",
	}
	keys := []string{"a", "a", "b", "c.d/e-f_g", "name", "1", "true", "a b", "'a'", `"a"`, "<<", "?", "- a", "-a", "-   a", "- - a", "-", "- # n\n  a"}
	const texts = 20_000
	random := rand.New(rand.NewPCG(1, 2))
	read := 0
	for range texts {
		var b strings.Builder
		indent := 0
		for range 1 + random.IntN(7) {
			switch random.IntN(4) {
			case 0:
				indent += 1 + random.IntN(3)
			case 1:
				indent = max(0, indent-1-random.IntN(3))
			}
			b.WriteString(strings.Repeat(" ", indent))
			switch random.IntN(9) {
			case 8:
				b.WriteString([]string{"more", "1 of that", "x # y", "more  ", "x: y", "true", "- x", `"x"`}[random.IntN(8)])
			case 0:
				b.WriteString("- ")
				fallthrough
			case 1:
				b.WriteString(values[random.IntN(len(values))])
			case 2:
				b.WriteString("# n")
			case 3:
				b.WriteString(keys[random.IntN(len(keys))] + ":")
			default:
				b.WriteString(keys[random.IntN(3)] + ": " + values[random.IntN(len(values))])
			}
			if random.IntN(20) > 0 {
				b.WriteString("\n")
			}
		}
		if agree(t, []byte(b.String())) {
			read++
		}
	}
	if read < texts/50 {
		t.Errorf("only %d of %d are plain", read, texts)
	}
	t.Logf("%d of %d are plain", read, texts)
}
