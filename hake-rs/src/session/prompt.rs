//! Noticing the prompt.

/// The prompt (docs: contracts), which stands at the start of a line.
pub const PROMPT: &[u8] = b"barreleye> ";

/// Watches console text for the prompt. Each prompt is noticed once: when the line editor draws its line again, that is still
/// the same prompt.
#[derive(Clone, Debug)]
pub struct Prompt {
    line: Vec<u8>,
    fresh_line: bool,
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            line: Vec::new(),
            fresh_line: true,
        }
    }
}

impl Prompt {
    /// Takes the next byte; true if with it a prompt is there.
    pub fn push(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' => {
                self.line.clear();
                self.fresh_line = true;
            }
            b'\r' => self.line.clear(),
            _ if self.line.len() <= PROMPT.len() => self.line.push(byte),
            _ => {}
        }
        let there = self.fresh_line && self.line == PROMPT;
        if there {
            self.fresh_line = false;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(text: &str) -> usize {
        let mut prompt = Prompt::default();
        text.bytes().filter(|&byte| prompt.push(byte)).count()
    }

    #[test]
    fn each_prompt_counts_once() {
        assert_eq!(prompts("boot\r\nbarreleye> "), 1);
        assert_eq!(
            prompts("barreleye> a\rbarreleye> ab\rbarreleye> "),
            1,
            "drawn again"
        );
        assert_eq!(
            prompts("barreleye> heoutput\r\n\r\x1b[Kbarreleye> he"),
            1,
            "drawn again behind what a program in the background prints"
        );
        assert_eq!(prompts("barreleye> a\r\nb\r\nbarreleye> "), 2);
        assert_eq!(
            prompts("say barreleye> \r\nbarreleye>x "),
            0,
            "only at the start of a line"
        );
    }
}
