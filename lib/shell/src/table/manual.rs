//! What `man` says of each command, in rows of at most 80 characters.

/// The text; empty if there is none.
pub(super) fn text(name: &str) -> &'static str {
    let found = TEXTS.iter().find(|(other, _)| *other == name);
    found.map_or("", |(_, text)| text)
}

const TEXTS: &[(&str, &str)] = &[
    (
        "bench",
        "\
Measures, in microseconds: a look-up at the name server, a call of the memory
server, starting a program and waiting for its end. Each is done ROUNDS times
(20); the least and the middle of them are shown. With QEMU's own clock the
figures depend on the host; `./hake.sh bench` has figures that do not.",
    ),
    (
        "bg",
        "\
The job, or without one the current job, goes on in the background. Ctrl-Z or
`suspend` stopped it. If it reads what is typed, it waits for `fg`.
Example: bg %1",
    ),
    (
        "caps",
        "\
ROOT, SLOT, TYPE, BASE, BYTES, RIGHTS and OWNER of each capability that the
process holds; without PID, the shell. Capabilities alike are one row. For its
parent, and for operators: a shell that was started from a shell is none.",
    ),
    (
        "cat",
        "\
Prints the files one behind the other; without files, its input up to the end
(Ctrl-D on an empty line at the terminal). A name /boot/NAME is a file of the
boot image. Example: cat notes more > all",
    ),
    ("clear", "Clears the screen. The key Ctrl-L does so too."),
    (
        "echo",
        "\
Prints its words with a blank between two, and a line feed, without that if the
first word is -n. Example: echo \"$HOME\" > file",
    ),
    (
        "env",
        "\
NAME=value of each variable that programs get: those that `export` marked, and
those that the shell was started with. NAME=value before a command sets one for
that command only.",
    ),
    (
        "exit",
        "\
Ends the shell with this status, else with that of the last command. If jobs
run it asks: the second time it ends, and they with it. The first shell of the
system is started again.",
    ),
    (
        "export",
        "\
From now on programs get the variable; without a name, lists those they get.
Example: export COLOUR=blue",
    ),
    (
        "fg",
        "\
The job, or without one the current job, gets the terminal: it reads what is
typed, Ctrl-C ends it, Ctrl-Z stops it. The shell waits for it.
Example: fg %1",
    ),
    (
        "help",
        "\
Lists the commands; with a name, how that command is used.",
    ),
    (
        "history",
        "\
Lines entered before with their numbers, all or the last COUNT. Up and Down walk
through them, Ctrl-R searches them.",
    ),
    (
        "jobs",
        "\
Lists the pipelines that run in the background or are stopped: number, `+` for
the current one and `-` for the one before it, state, line. %1 names job 1, %+
and %- these two, %text the one that begins with the text.",
    ),
    (
        "kill",
        "\
Ends processes, by number or as jobs. init cannot be killed, and services only
with -f: they are started again as the boot menu says. Example: kill %1",
    ),
    (
        "led",
        "\
Turns the board's light on or off, or says what it is. Where it is the boot menu
says (spawnd led=BASE:LINE, a line of a PL061). QEMU's board has such lines, and
nothing that shines. To switch, the shell must be one of an operator.",
    ),
    (
        "log",
        "\
What the process server has noted since the start, the last LINES (50): services
started, crashed and started again, programs that faulted.",
    ),
    (
        "ls",
        "\
Files in memory; with /boot those of the boot image. -l shows the bytes.",
    ),
    (
        "man",
        "Prints what there is to know of a command, as this text.",
    ),
    (
        "mem",
        "\
total= used= free= largest= of the machine; total= used= free= clients= of the
memory server, whose memory the machine counts as used; limit= used= of the
shell there. All in bytes.",
    ),
    (
        "memtest",
        "\
Takes so much memory (4 MiB), fills it with patterns and with the addresses of
its words, and reads all back. Ends with status 1 if a word was another one.",
    ),
    (
        "modules",
        "\
NAME, BYTES and ARGS of each file of the boot image. Those that are programs can
be started by their names.",
    ),
    (
        "nslist",
        "\
Services by name with their processes and properties. A query is a pattern of
names with conditions on properties, as one word: nslist \"dev/* {bits > 8}\"
The book's chapter \"Names of services\" has the language.",
    ),
    (
        "nslookup",
        "Prints the number of the process that offers the service of that name.",
    ),
    (
        "ps",
        "\
PID, CORE, STATE and NAME of each process.",
    ),
    (
        "reboot",
        "Resets the machine. The shell must be one of an operator.",
    ),
    (
        "resume",
        "Has processes go on that `suspend` stopped, by number or as jobs.",
    ),
    (
        "rm",
        "Removes files in memory. Who has one open can still use it.",
    ),
    (
        "run",
        "\
Starts a program of the boot image, even if a command has the same name.
Example: run echo test/echo &",
    ),
    (
        "services",
        "\
NAME, PID, STATE and RESTARTS of the services that the process server
looks after: who crashes is started again.",
    ),
    (
        "set",
        "\
Sets variables of the shell; without words, lists them. NAME=value as a command
does the same. Example: set GREETING=hello; echo $GREETING",
    ),
    (
        "shutdown",
        "Powers the machine off. The shell must be one of an operator.",
    ),
    (
        "start",
        "Starts a service that was stopped or has failed, and those it needs.",
    ),
    ("stop", "Stops a service and those that need it."),
    (
        "suspend",
        "\
Has processes stand still, by number or as jobs, with all that they have
started, until `resume`, `bg` or `fg`. Ctrl-Z does so with what runs in the
foreground.",
    ),
    (
        "threads",
        "\
A process with COUNT threads (4) that add to one counter under a lock, each a
thousand times, and print how far they are. The sum is right at the end.",
    ),
    (
        "time",
        "\
Runs the pipeline and says how long it took. Example: time hello | wc",
    ),
    ("unset", "Forgets variables. Example: unset COLOUR"),
    ("uptime", "Seconds since power-on."),
    (
        "wait",
        "\
Waits for the processes or jobs, or for all jobs. The status is that of the last
one. Ctrl-C ends the waiting, and not the jobs.",
    ),
    (
        "wc",
        "\
Counts lines, words and bytes of files, or of its input.
Example: nslist | wc",
    ),
];
