//! Builds the web app with npm and leaves it in `OUT_DIR/web`, where the crate embeds it.
//!
//! Without Node (or with `SHUYUAN_NO_WEB=1`) the folder holds one page that says what is missing. A web app that does
//! not build is a build error.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

/// What Vite asks for.
const NODE: (u32, u32) = (20, 19);
const SOURCES: [&str; 8] = [
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "svelte.config.js",
    "tsconfig.json",
];

fn main() {
    let here = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(var("OUT_DIR")).join("web");
    let web = here.join("../../web");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/no_web.html");
    println!("cargo::rerun-if-env-changed=SHUYUAN_NO_WEB");
    // The course is shown in the app, too.
    println!("cargo::rerun-if-changed={}", web.join("../docs/course").display());
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    match why_not(&web) {
        None => {
            if stale(&web) {
                npm(&web, &["ci", "--no-audit", "--no-fund"]);
            }
            npm(&web, &["run", "build", "--", "--outDir", &out.to_string_lossy(), "--emptyOutDir"]);
        }
        Some(why) => {
            println!("cargo::warning=built without the web app: {why}");
            let copied = fs::remove_dir_all(&out)
                .or_else(|error| if out.exists() { Err(error) } else { Ok(()) })
                .and_then(|()| fs::create_dir_all(&out))
                .and_then(|()| fs::copy(here.join("src/no_web.html"), out.join("index.html")));
            if let Err(error) = copied {
                fail(&format!("cannot write {}: {error}", out.display()));
            }
        }
    }
}

/// Why the web app cannot be built, if so.
fn why_not(web: &Path) -> Option<String> {
    if env::var("SHUYUAN_NO_WEB").is_ok_and(|value| !value.is_empty() && value != "0") {
        return Some("SHUYUAN_NO_WEB is set".into());
    }
    if !web.join("package-lock.json").is_file() {
        return Some(format!("{} is not there", web.display()));
    }
    let (major, minor) = NODE;
    let wanted = format!("install Node.js {major}.{minor} or later and build again");
    let why = match node() {
        Some(found) if found >= NODE => return None,
        Some((old, older)) => format!("Node.js {old}.{older} is too old: {wanted}"),
        None => format!("Node.js and npm were not found: {wanted}"),
    };
    // Build again once something is installed where programs are looked for.
    println!("cargo::rerun-if-env-changed=PATH");
    for folder in env::split_paths(&env::var_os("PATH").unwrap_or_default()).filter(|folder| folder.is_dir())
    {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    Some(why)
}

/// The version of Node, if it and npm are there.
fn node() -> Option<(u32, u32)> {
    command("npm").arg("--version").output().ok().filter(|output| output.status.success())?;
    let output = command("node").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut parts = text.trim().trim_start_matches('v').split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// Whether the packages are missing or older than the list of them.
fn stale(web: &Path) -> bool {
    let changed = |path: &str| fs::metadata(web.join(path)).and_then(|file| file.modified()).ok();
    changed("node_modules/.package-lock.json") < changed("package-lock.json")
}

fn npm(web: &Path, arguments: &[&str]) {
    let called = format!("npm {}", arguments.join(" "));
    match command("npm").args(arguments).current_dir(web).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => fail(&format!(
            "`{called}` failed in {} (SHUYUAN_NO_WEB=1 builds without the web app):\n{}{}",
            web.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        )),
        Err(error) => fail(&format!("cannot run `{called}`: {error}")),
    }
}

fn command(name: &str) -> Command {
    if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.args(["/c", name]);
        return command;
    }
    Command::new(name)
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")))
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    exit(1)
}
