//! What a build script does with a language: read one file, compile it, write the result, or stop with the message.

use std::path::Path;
use std::{fs, io, process};

use crate::{Diagnostic, Diagnostics, Source, Span, messages};

messages! {
    /// A file that is not text.
    pub enum FileMessage {
        NotText {} = "not-text":
            "from here on this is not UTF-8 text", "save the file as UTF-8";
    }
}

/// Reads `input`, compiles it and returns what `compile` made of name and text.
///
/// The name in messages is the path relative to the workspace (the nearest folder above with a `Cargo.lock`).
///
/// # Errors
/// The file cannot be read or is not text, or `compile` reported messages.
pub fn compile_file(
    input: &Path,
    compile: impl Fn(&str, &str) -> Result<String, Diagnostics>,
) -> Result<String, Diagnostics> {
    let name = display_name(input);
    let bytes = fs::read(input).map_err(|error| {
        Diagnostics::new(vec![Diagnostic::about_file(
            &name,
            "unreadable",
            format!("this file cannot be read ({error}); check the path and its permissions"),
        )])
    })?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            return Err(Diagnostics::new(vec![Diagnostic::new(
                &Source::new(&name, &text),
                Span::new(at, at),
                &FileMessage::NotText {},
            )]));
        }
    };
    compile(&name, &text)
}

/// The whole of a build script: compiles `input` to `output`, or prints the messages and ends the process with status 1.
///
/// Each message's first line also becomes an error of cargo (`cargo::error=`). The output keeps its time stamp if nothing changed.
pub fn build_script(
    input: &Path,
    output: &Path,
    compile: impl Fn(&str, &str) -> Result<String, Diagnostics>,
) {
    println!("cargo::rerun-if-changed={}", input.display());
    let code = match compile_file(input, compile) {
        Ok(code) => code,
        Err(messages) => {
            for message in &messages {
                println!("cargo::error={}", message.headline());
            }
            eprint!("{messages}");
            process::exit(1);
        }
    };
    if let Err(error) = write_if_changed(output, &code) {
        let path = output.display();
        println!("cargo::error={path}: cannot be written ({error}); check space and permissions");
        process::exit(1);
    }
}

fn write_if_changed(output: &Path, code: &str) -> io::Result<()> {
    if fs::read(output).is_ok_and(|old| old == code.as_bytes()) {
        return Ok(());
    }
    fs::write(output, code)
}

fn display_name(input: &Path) -> String {
    let Ok(full) = input.canonicalize() else {
        return input.display().to_string();
    };
    let root = full
        .ancestors()
        .skip(1)
        .find(|folder| folder.join("Cargo.lock").is_file());
    let shown = root
        .and_then(|root| full.strip_prefix(root).ok())
        .unwrap_or(&full);
    shown.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_files_get_a_message() {
        let missing = compile_file(Path::new("no/such/file.hl"), |_, _| Ok(String::new()));
        let message = missing.unwrap_err().to_string();
        assert!(message.starts_with("no/such/file.hl:1:1: this file cannot be read"));

        let path = std::env::temp_dir().join(format!("not-text-{}.hl", process::id()));
        fs::write(&path, b"ok\n\xff\xfe").unwrap();
        let binary = compile_file(&path, |_, _| Ok(String::new()));
        fs::remove_file(&path).unwrap();
        assert!(
            binary
                .unwrap_err()
                .to_string()
                .contains(":2:1: from here on")
        );
    }

    #[test]
    fn names_are_relative_to_the_workspace() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/build.rs");
        assert_eq!(display_name(&here), "lib/diagnostics/src/build.rs");
    }
}
