//! Splits Rust text into code and comments without losing line numbers.
//!
//! `syn` drops comments, and a plain text search takes the inside of a string for code. This
//! scanner knows strings, raw strings, characters, lifetimes and nested comments, no more.

/// What stands on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    Blank,
    Comment,
    Doc,
    Code,
}

/// A comment, one per `//` line or `/* */` block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    /// The line on which it starts, counted from 1.
    pub(crate) line: usize,
    /// Its words, without slashes and outer spaces.
    pub(crate) text: String,
}

/// The text of one file, taken apart.
pub(crate) struct Lexed {
    /// The text with the inside of comments and literals blanked; lines and columns stay.
    pub(crate) code: String,
    /// One entry per line.
    pub(crate) lines: Vec<Line>,
    pub(crate) comments: Vec<Comment>,
}

/// Takes `text` apart.
pub(crate) fn lex(text: &str) -> Lexed {
    let mut scanner = Scanner {
        chars: text.chars().collect(),
        at: 0,
        code: String::with_capacity(text.len()),
        lines: vec![Line::Blank],
        comments: Vec::new(),
    };
    while scanner.at < scanner.chars.len() {
        scanner.step();
    }
    Lexed {
        code: scanner.code,
        lines: scanner.lines,
        comments: scanner.comments,
    }
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    code: String,
    lines: Vec<Line>,
    comments: Vec<Comment>,
}

impl Scanner {
    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.comment(Self::line_comment),
            ('/', '*') => self.comment(Self::block_comment),
            ('"', _) => self.string(),
            ('r', '"' | '#') if !self.after_word() || self.after_byte_prefix() => {
                self.raw_string();
            }
            ('\'', '\\') => self.escaped_character(),
            ('\'', _) if self.peek(2) == '\'' => self.take_blanked(3),
            _ => self.take(Line::Code),
        }
    }

    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Whether the previous character belongs to a word, so that this one cannot start one.
    fn after_word(&self) -> bool {
        self.at > 0 && is_word(self.chars[self.at - 1])
    }

    /// Whether this is the `r` of `br"` or `cr"`.
    fn after_byte_prefix(&self) -> bool {
        let starts_word = self.at < 2 || !is_word(self.chars[self.at - 2]);
        starts_word && self.at > 0 && matches!(self.chars[self.at - 1], 'b' | 'c')
    }

    /// Copies one character and notes what its line holds.
    fn take(&mut self, kind: Line) {
        let Some(&c) = self.chars.get(self.at) else {
            return;
        };
        self.note(c, kind);
        self.code.push(c);
        self.at += 1;
    }

    /// Passes one character, leaving a blank.
    fn blank(&mut self, kind: Line) {
        let Some(&c) = self.chars.get(self.at) else {
            return;
        };
        self.note(c, kind);
        self.code.push(if c == '\n' { c } else { ' ' });
        self.at += 1;
    }

    fn note(&mut self, c: char, kind: Line) {
        if c == '\n' {
            self.lines.push(Line::Blank);
        } else if !c.is_whitespace() {
            let last = self.lines.len() - 1;
            self.lines[last] = self.lines[last].max(kind);
        }
    }

    /// Takes the first and last of `count` characters and blanks those between.
    fn take_blanked(&mut self, count: usize) {
        self.take(Line::Code);
        for _ in 2..count {
            self.blank(Line::Code);
        }
        self.take(Line::Code);
    }

    fn comment(&mut self, pass: fn(&mut Self, Line)) {
        let (start, line) = (self.at, self.lines.len());
        let marker: String = (2..4).map(|ahead| self.peek(ahead)).collect();
        let doc = matches!(marker.as_bytes(), [b'!', ..] | [b'*', b' ' | b'\n'])
            || (marker.starts_with('/') && marker != "//");
        pass(self, if doc { Line::Doc } else { Line::Comment });
        let text: String = self.chars[start..self.at].iter().collect();
        let text = text.trim_matches(|c: char| "/*!".contains(c) || c.is_whitespace());
        self.comments.push(Comment {
            line,
            text: text.to_owned(),
        });
    }

    fn line_comment(&mut self, kind: Line) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.blank(kind);
        }
    }

    fn block_comment(&mut self, kind: Line) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            let change = match (self.peek(0), self.peek(1)) {
                ('/', '*') => 1,
                ('*', '/') => -1,
                _ => {
                    self.blank(kind);
                    continue;
                }
            };
            depth += change;
            self.blank(kind);
            self.blank(kind);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(Line::Code);
        while self.at < self.chars.len() && self.peek(0) != '"' {
            if self.peek(0) == '\\' {
                self.blank(Line::Code);
            }
            self.blank(Line::Code);
        }
        self.take(Line::Code);
    }

    fn raw_string(&mut self) {
        let hashes = self.chars[self.at + 1..]
            .iter()
            .take_while(|c| **c == '#')
            .count();
        if self.peek(hashes + 1) != '"' {
            return self.take(Line::Code); // a raw identifier
        }
        for _ in 0..hashes + 2 {
            self.take(Line::Code);
        }
        while self.at < self.chars.len() {
            let closed = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            if closed {
                break;
            }
            self.blank(Line::Code);
        }
        for _ in 0..=hashes {
            self.take(Line::Code);
        }
    }

    fn escaped_character(&mut self) {
        let close = (3..13).find(|ahead| self.peek(*ahead) == '\'').unwrap_or(3);
        self.take_blanked(close + 1);
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::{Line, lex};

    fn code(text: &str) -> String {
        lex(text).code
    }

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        assert_eq!(code("a // todo!()\nb"), "a           \nb");
        assert_eq!(code("f(\"todo!()\")"), "f(\"       \")");
        assert_eq!(code(r#"f("a\"b") + g"#), "f(\"    \") + g");
        assert_eq!(code("r#\"x\"y\"# + z"), "r#\"   \"# + z");
        assert_eq!(code("br\"\\\" + z"), "br\" \" + z");
        assert_eq!(code("/* a /* b */ c */ d"), "                  d");
    }

    #[test]
    fn lifetimes_raw_identifiers_and_characters_are_told_apart() {
        assert_eq!(code("&'a str // x"), "&'a str     ");
        assert_eq!(
            code("'\"' + '\\'' + '\\u{1F600}' + b"),
            "' ' + '  ' + '         ' + b"
        );
        assert_eq!(code("r#type + for_r\"x\""), "r#type + for_r\" \"");
    }

    #[test]
    fn lines_are_code_doc_comment_or_blank() {
        let text = "//! doc\n\n// why\n/// doc\nfn f() {} // tail\n//// rule\n/* a\nb */";
        let expected = [
            Line::Doc,
            Line::Blank,
            Line::Comment,
            Line::Doc,
            Line::Code,
            Line::Comment,
            Line::Comment,
            Line::Comment,
        ];
        assert_eq!(lex(text).lines, expected);
    }

    #[test]
    fn every_comment_has_its_line_and_words() {
        let lexed = lex("x;\n  // covers: A-1 \n\"// no\";\n/* b */");
        let found: Vec<_> = lexed
            .comments
            .iter()
            .map(|c| (c.line, c.text.as_str()))
            .collect();
        assert_eq!(found, [(2, "covers: A-1"), (4, "b")]);
    }

    #[test]
    fn an_open_end_is_not_an_endless_loop() {
        for text in ["\"abc", "/* abc", "r#\"abc", "'\\", "'", "r#", "\"\\"] {
            assert!(lex(text).code.len() >= text.len(), "{text}");
        }
    }
}
