//! Boot images, made of ELF files that are made here.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use bootimage::{Archive, Kind};
use hake::elf;
use hake::failure::{Exit, exit_code};
use hake::image::{self, Image, MenuChoice};
use hake::os_build::Built;
use hake::platform::{Facts, Platform};
use hake::task::Context;
use hake::toolchain::Host;
use hake::ui::Ui;
use hake::workspace::Workspace;
use object::elf as raw;
use std::fs;
use tempfile::TempDir;

/// One program header to be: kind, flags, address, bytes, bytes in memory.
type Row = (u32, u32, u64, Vec<u8>, u64);

/// A note with an ABI version, as the system's linker scripts place it.
fn note(version: u32) -> Row {
    let mut bytes = Vec::new();
    for word in [10_u32, 4, 1] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"Barreleye\0\0\0");
    bytes.extend(version.to_le_bytes());
    (raw::PT_NOTE, raw::PF_R, 0, bytes, 28)
}

/// An ELF file with these segments and one symbol.
fn elf_file(rows: &[Row], symbol: (&str, u64)) -> Vec<u8> {
    let mut body = Vec::new();
    let table_end = 64 + 56 * rows.len();
    let mut headers = Vec::new();
    for (kind, flags, vaddr, bytes, mem) in rows {
        // Segments at odd places, as linkers leave them.
        while (table_end + body.len()) as u64 % 4096 != vaddr % 4096 {
            body.push(0xee);
        }
        let offset = (table_end + body.len()) as u64;
        headers.extend(kind.to_le_bytes());
        headers.extend(flags.to_le_bytes());
        for word in [offset, *vaddr, *vaddr, bytes.len() as u64, *mem, 4096] {
            headers.extend(word.to_le_bytes());
        }
        body.extend(bytes);
    }
    let strings = format!("\0{}\0", symbol.0);
    let names = b"\0.symtab\0.strtab\0.shstrtab\0";
    let strings_at = (table_end + body.len()) as u64;
    body.extend(strings.bytes());
    let names_at = (table_end + body.len()) as u64;
    body.extend(names);
    body.resize(body.len().next_multiple_of(8), 0);
    let symbols_at = (table_end + body.len()) as u64;
    body.extend([0; 24]);
    body.extend(1_u32.to_le_bytes());
    body.extend([0x10, 0]);
    body.extend(raw::SHN_ABS.to_le_bytes());
    body.extend(symbol.1.to_le_bytes());
    body.extend([0; 8]);
    let sections_at = (table_end + body.len()) as u64;
    let mut section =
        |name: u32, kind: u32, offset: u64, size: u64, link: u32, info: u32, entry: u64| {
            body.extend(name.to_le_bytes());
            body.extend(kind.to_le_bytes());
            for word in [0, 0, offset, size] {
                body.extend(word.to_le_bytes());
            }
            body.extend(link.to_le_bytes());
            body.extend(info.to_le_bytes());
            body.extend(1_u64.to_le_bytes());
            body.extend(entry.to_le_bytes());
        };
    section(0, 0, 0, 0, 0, 0, 0);
    section(1, raw::SHT_SYMTAB, symbols_at, 48, 2, 1, 24);
    section(
        9,
        raw::SHT_STRTAB,
        strings_at,
        strings.len() as u64,
        0,
        0,
        0,
    );
    section(17, raw::SHT_STRTAB, names_at, names.len() as u64, 0, 0, 0);

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(raw::ET_DYN.to_le_bytes());
    file.extend(raw::EM_AARCH64.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for word in [0x40_u64, 64, sections_at] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64, 56, rows.len() as u16, 64, 4, 3] {
        file.extend(half.to_le_bytes());
    }
    file.extend(headers);
    file.extend(body);
    file
}

/// A boot driver of one page of code, with bss up to `end`.
fn boot_driver(magic: &[u8; 4], end: u64, image_end: u64) -> Vec<u8> {
    let mut code = vec![0xaa; 100];
    code[16..24].fill(0);
    code[56..60].copy_from_slice(magic);
    elf_file(
        &[(raw::PT_LOAD, raw::PF_R | raw::PF_X, 0, code, end), note(1)],
        ("__image_end", image_end),
    )
}

fn program(version: u32) -> Vec<u8> {
    let text = (
        raw::PT_LOAD,
        raw::PF_R | raw::PF_X,
        0x40_0010,
        b"the code".to_vec(),
        8,
    );
    let data = (
        raw::PT_LOAD,
        raw::PF_R | raw::PF_W,
        0x40_2000,
        b"the data".to_vec(),
        0x3000,
    );
    elf_file(
        &[
            text,
            data,
            note(version),
            (raw::PT_GNU_STACK, 0, 0, Vec::new(), 0),
        ],
        ("main", 0x40_0010),
    )
}

/// A source tree with a menu and built programs.
struct Tree {
    folder: TempDir,
    built: Built,
}

impl Tree {
    fn new(menu: &str) -> Self {
        let tree = Self {
            folder: tempfile::tempdir().unwrap(),
            built: Built::default(),
        };
        fs::write(tree.folder.path().join("menu.lst"), menu).unwrap();
        tree.program("boot_driver", &boot_driver(b"ARM\x64", 0x1234, 0x2000))
            .program("cpu_driver", &program(1))
            .program("init", &program(1))
    }

    fn program(mut self, name: &str, bytes: &[u8]) -> Self {
        let file = self.folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        self.built.files.insert(name.into(), file);
        self.built.known.push(name.into());
        self
    }

    fn image(&self, modules: &[&str]) -> anyhow::Result<Image> {
        self.image_of(Some("menu.lst"), false, modules)
    }

    fn image_of(
        &self,
        menu: Option<&str>,
        course: bool,
        modules: &[&str],
    ) -> anyhow::Result<Image> {
        let root = self.folder.path().to_owned();
        let cx = Context {
            workspace: Workspace { root: root.clone() },
            host: Host::default(),
            ui: Ui::new(false),
        };
        let facts = Facts {
            description: String::new(),
            qemu: None,
        };
        let platform = Platform {
            name: "board".into(),
            folder: root.clone(),
            facts,
        };
        let modules = modules.iter().map(|module| (*module).to_owned()).collect();
        let choice = MenuChoice {
            file: menu.map(|menu| root.join(menu)),
            course,
            modules,
        };
        let contents = image::read_menu(&cx, &platform, &choice)?;
        image::make(&cx, &platform, &contents, &self.built)
    }

    /// The exit code and message of an image that cannot be made.
    fn refusal(&self, modules: &[&str]) -> (Exit, String) {
        let error = self.image(modules).unwrap_err();
        (exit_code(&error), error.to_string())
    }
}

const MENU: &str = "bootdriver /sbin/boot_driver\ncpudriver /sbin/cpu_driver loglevel=3\nmodule /sbin/init a \"b c\"\n";

#[test]
fn an_image_holds_boot_driver_archive_and_its_size() {
    let tree = Tree::new(&format!("{MENU}module ./menu.lst\n"));
    let image = tree.image(&["init=again"]).unwrap();
    assert_eq!(image.kernel_args, "loglevel=3");
    let bytes = fs::read(&image.file).unwrap();
    assert_eq!(bytes.len() % 4096, 0);
    assert_eq!(bytes[16..24], (bytes.len() as u64).to_le_bytes());
    assert_eq!(
        (&bytes[56..60], bytes[99], bytes[100]),
        (&b"ARM\x64"[..], 0xaa, 0),
        "code, then zeroed bss"
    );
    let archive = Archive::parse(&bytes[0x2000..]).unwrap();
    let lines: Vec<_> = archive
        .entries()
        .map(|entry| (entry.kind, entry.cmdline))
        .collect();
    let module = Kind::Module;
    assert_eq!(
        lines,
        [
            (Kind::CpuDriver, "/sbin/cpu_driver loglevel=3"),
            (module, "/sbin/init a \"b c\""),
            (module, "./menu.lst"),
            (module, "/sbin/init again"),
            (module, "/sbin/boot_driver"),
        ]
    );
    let again = archive.module("boot_driver").unwrap().data;
    assert_eq!(
        again[16..24],
        0x2000_u64.to_le_bytes(),
        "what memory it takes, for the other cores"
    );
    assert!(again.len() <= 0x2000 && again.last() != Some(&0));
    let menu = archive.module("menu.lst").unwrap();
    assert_eq!(
        menu.data,
        fs::read(tree.folder.path().join("menu.lst")).unwrap(),
        "files are packed as they are"
    );
    let names: Vec<_> = image.parts.iter().map(|part| part.0.as_str()).collect();
    assert_eq!(
        names,
        ["boot_driver", "cpu_driver", "init", "menu.lst", "init"]
    );
}

#[test]
fn stripping_keeps_what_is_loaded() {
    let whole = program(7);
    let before = elf::parse(&whole).unwrap();
    let stripped = elf::strip::strip(&before).unwrap();
    let after = elf::parse(&stripped).unwrap();
    assert_eq!(elf::note::abi_version(&after).unwrap(), Some(7));
    let loads = |file| {
        let mut rows = elf::segments(file).unwrap();
        rows.retain(|row| row.kind == raw::PT_LOAD);
        rows.iter()
            .map(|row| (row.vaddr, row.flags, row.mem_bytes, row.data.to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(loads(&after), loads(&before));
    for row in elf::segments(&after)
        .unwrap()
        .iter()
        .filter(|row| row.kind == raw::PT_LOAD)
    {
        assert_eq!(row.offset % 4096, row.vaddr % 4096);
    }
    assert!(stripped.len() < whole.len());
    assert_eq!(
        elf::strip::strip(&after).unwrap(),
        stripped,
        "nothing is left to strip"
    );
}

#[test]
fn a_program_of_another_abi_version_is_refused() {
    let tree = Tree::new(MENU).program("init", &program(2));
    let (exit, message) = tree.refusal(&[]);
    assert_eq!(exit, Exit::BadInput);
    let expected = "menu.lst:3:8: /sbin/init was built for ABI version 2, the CPU driver for version 1: build both";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_program_without_its_note_is_refused() {
    let text = (raw::PT_LOAD, raw::PF_R, 0x40_0000, b"x".to_vec(), 1);
    let tree = Tree::new(MENU).program("init", &elf_file(&[text], ("main", 0)));
    let (exit, message) = tree.refusal(&[]);
    assert_eq!(exit, Exit::BadInput);
    assert!(
        message.starts_with("menu.lst:3:8: init: it has no ABI note"),
        "{message}"
    );
}

#[test]
fn a_profile_that_the_platform_lacks_is_named() {
    let tree = Tree::new(MENU);
    let error = tree.image_of(None, true, &[]).unwrap_err();
    assert_eq!(exit_code(&error), Exit::Usage);
    assert_eq!(
        error.to_string(),
        "platform board has no course profile yet, only full: leave --profile out, or give a boot menu with --menu FILE"
    );
    assert!(tree.image_of(Some("menu.lst"), true, &[]).is_ok());
    assert!(tree.image_of(None, false, &[]).is_ok());
    fs::write(tree.folder.path().join("menu.course.lst"), MENU).unwrap();
    assert!(tree.image_of(None, true, &[]).is_ok());
}

#[test]
fn errors_in_the_menu_have_their_place() {
    for (menu, modules, exit, message) in [
        (
            &format!("{MENU}module /sbin/inti\n")[..],
            &[][..],
            Exit::BadInput,
            "menu.lst:4:8: there is no program `inti`; did you mean /sbin/init?",
        ),
        (
            &format!("{MENU}module ./nothing\n"),
            &[],
            Exit::BadInput,
            "menu.lst:4:8: ",
        ),
        (
            &format!("{MENU}module init\n"),
            &[],
            Exit::BadInput,
            "menu.lst:4:8: `init`: write /sbin/NAME for a program",
        ),
        (
            &format!("{MENU}modul /x\n"),
            &[],
            Exit::BadInput,
            "menu.lst:4:1: `modul` is no keyword",
        ),
        (
            MENU,
            &["nope"],
            Exit::Usage,
            "--module: there is no program `nope`",
        ),
        (
            MENU,
            &["a=\"b"],
            Exit::Usage,
            "--module a=\"b: this quote is never closed",
        ),
    ] {
        let (seen, text) = Tree::new(menu).refusal(modules);
        assert_eq!(seen, exit, "{text}");
        assert!(text.starts_with(message), "{text}");
    }
}

#[test]
fn a_boot_driver_that_cannot_boot_is_refused() {
    for (file, message) in [
        (
            boot_driver(b"ARM!", 0x1000, 0x1000),
            "does not start with a Linux arm64 Image header",
        ),
        (
            boot_driver(b"ARM\x64", 0x1001, 0x1001),
            "its symbol __image_end is 0x1001, but the boot archive follows at 0x2000",
        ),
        (
            boot_driver(b"ARM\x64", 1 << 40, 0),
            "its linker script has to link it at address 0",
        ),
        (b"not an ELF file".to_vec(), "not a sound 64-bit ELF file"),
    ] {
        let (exit, text) = Tree::new(MENU).program("boot_driver", &file).refusal(&[]);
        assert_eq!(exit, Exit::BadInput, "{text}");
        assert!(text.contains(message), "{text}");
    }
}
