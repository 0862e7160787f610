//! The exercises of the course: `udp check` finds in each program what the page says, and nothing wrong in its solutions.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use common::netns::{Lan, require, skip};
use common::pages::{Block, blocks, read};
use common::{Place, Scratch};

/// Two cables to one neighbour, as in the network of the course.
const NETWORK: &str = "
host far
for number in 1 2; do
    ip link add lan$number type veth peer name lan$number netns far
    ip address add 10.0.$number.1/24 brd + dev lan$number
    on far ip address add 10.0.$number.2/24 brd + dev lan$number
    ip link set lan$number up
    on far ip link set lan$number up
done
for number in 1 2; do usable - lan$number; usable far lan$number; done
";

/// The programs of a page, by their names.
fn programs(page: &str) -> Vec<Block> {
    blocks(page).into_iter().filter(|block| block.language == "python").collect()
}

/// The part of the exercises about this program: the command that judges it, and the points that fail.
fn exercise(page: &str, name: &str) -> (String, BTreeSet<String>) {
    let anchor = format!("<a id=\"{name}\"></a>");
    let part = page.split_once(&anchor).expect("the page has this exercise").1;
    let command = part.split_once("\n$ ").expect("it is judged").1.lines().next().expect("a command is a line");
    let fail = part.split_once("These points fail: ").expect("it has faults").1.lines().next().unwrap_or_default();
    (command.to_owned(), fail.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// The points that fail, and all that was printed.
fn failed(place: Place<'_>, folder: &Path, command: &str) -> (BTreeSet<String>, String) {
    let udp = Path::new(env!("CARGO_BIN_EXE_udp")).parent().expect("it is in a directory").display();
    let mut shell = place.command("timeout");
    shell.args(["300", "bash", "-c", &format!("cd '{}'; PATH='{udp}':$PATH; {command}", folder.display())]);
    let output = shell.stdin(Stdio::null()).output().expect("timeout can be run");
    let [printed, told] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let failed = |line: &str| Some(line.strip_prefix("failed ")?.split_whitespace().next()?.to_owned());
    let points = printed.lines().filter_map(failed).collect();
    let said = format!("{command}\n{printed}{told}");
    assert!(printed.lines().filter(|line| line.starts_with("passed ")).count() >= 4, "{said}");
    (points, said)
}

/// Judges a program as it is in the exercise, and its solutions.
fn judge(name: &str) {
    if !["python3", "bash"].into_iter().all(require) {
        return;
    }
    let Some(lan) = Lan::new(NETWORK) else { return };
    let (exercises, solutions) = (read("course/exercises.md"), read("course/solutions.md"));
    let (command, faults) = exercise(&exercises, name);
    let file = format!("{name}.py");
    let run = |program: &Block| {
        let scratch = Scratch::new();
        scratch.file(&file, &program.code);
        let arguments = if name == "client" && program.code.contains("argv") { " {host} {port}" } else { "" };
        failed(Place::Bridge(&lan), scratch.path(), &format!("{command}{arguments}"))
    };
    let of = |page| programs(page).into_iter().find(|block| block.file.as_ref() == Some(&file)).expect("it is there");

    let (points, said) = run(&of(&exercises));
    assert_eq!(points, faults, "{said}");
    let (points, said) = run(&of(&solutions));
    assert_eq!(points, BTreeSet::new(), "{said}");

    let built = Path::new(env!("CARGO_BIN_EXE_udp")).with_file_name("examples").join(format!("exercise_{name}"));
    if !built.exists() {
        return skip("the examples of the library are not built: cargo build --examples");
    }
    let arguments = if name == "client" { " {host} {port}" } else { "" };
    let program = format!("{}{arguments}", built.display());
    let command = command.replace(&format!("python3 {file}"), &program);
    let (points, said) = failed(Place::Bridge(&lan), Path::new("/"), &command);
    assert_eq!(points, BTreeSet::new(), "{said}");
}

#[test]
fn the_page_of_check_has_each_point() {
    let page = read("check.md");
    for role in [&["server", "127.0.0.1"][..], &["client"], &["receiver"], &["sender"]] {
        let part = page.split_once(&format!("`udp check {}", role[0])).expect("the page has each role").1;
        let part = part.split("\n## ").next().unwrap_or_default();
        let arguments = [&["check"], role, &["--only", "no-such-point", "--", "true"]].concat();
        let told = Place::Here.run(&arguments).stderr;
        let points: Vec<_> = told.split_once("the points are ").expect("it names them").1.trim().split(", ").collect();
        assert!(points.len() > 10, "{told}");
        let missing: Vec<_> = points.iter().filter(|point| !part.contains(&format!("\n| `{point}` |"))).collect();
        assert!(missing.is_empty(), "{role:?}: {missing:?}");
    }
}

#[test]
fn the_server_has_the_faults_that_its_exercise_names_and_its_solutions_none() {
    judge("server");
}

#[test]
fn the_echo_server_has_the_faults_that_its_exercise_names_and_its_solutions_none() {
    judge("echo");
}

#[test]
fn the_client_has_the_faults_that_its_exercise_names_and_its_solutions_none() {
    judge("client");
}

#[test]
fn the_receiver_has_the_faults_that_its_exercise_names_and_its_solutions_none() {
    judge("receiver");
}

#[test]
fn the_sender_has_the_faults_that_its_exercise_names_and_its_solutions_none() {
    judge("sender");
}
