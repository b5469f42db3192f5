//! Files of a git repository at one of its branches, tags or commits; the `git` program does the work.

use super::files::{File, MOST, too_large, wanted};
use super::ingest::Loaded;
use super::{address, env, when};
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;

/// What there is to know of a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Git {
    /// `https://…`, `ssh://…`, `git@host:…`, or a path that begins with `/`.
    pub url: String,
    /// A branch, tag or commit; the repository's own choice if not given.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Only what lies in this folder.
    pub path: Option<String>,
    /// Which files, by their endings; all if not given.
    pub endings: Vec<String>,
    /// How long fetching may take.
    pub timeout: Option<String>,
}

impl Git {
    pub(crate) fn checked(self) -> Result<Self> {
        let wrong = |what: &str| Err(KnowledgeError::Asked(what.into()));
        let scheme = self.url.split_once("://").map(|(scheme, _)| scheme);
        let fine = match scheme {
            Some(scheme) => matches!(scheme, "http" | "https" | "ssh" | "git"),
            None => self.url.starts_with('/') || self.url.starts_with("${") || is_scp(&self.url),
        };
        if !fine {
            return wrong(
                "url: expected https://…, ssh://…, git://…, user@host:path or a local path that begins with /",
            );
        }
        if self
            .reference
            .as_deref()
            .is_some_and(|name| name.starts_with('-') || name.contains(':') || name.is_empty())
        {
            return wrong("ref: expected the name of a branch or tag, or a commit");
        }
        self.timeout.as_deref().map(when::duration).transpose()?;
        Ok(self)
    }

    /// All files at the reference, which is fetched first.
    pub(crate) fn list(&self, dir: &Path) -> Result<Vec<File>> {
        let url = env::expand_url(&self.url)?;
        let (plain, user) = address::user(&url);
        // The user of ssh is part of the address, not a secret.
        let (plain, user) = if plain.starts_with("http") { (plain, user) } else { (url.clone(), None) };
        let program = Program {
            dir: dir.join("git").join(format!("{:016x}.git", xxh3_64(plain.as_bytes()))),
            local: plain.starts_with('/'),
            header: user.map(|user| format!("Authorization: {}", address::basic(&user))),
            limit: self.timeout.as_deref().map_or(Ok(Duration::from_secs(600)), when::duration)?,
        };
        if !program.dir.join("HEAD").is_file() {
            std::fs::create_dir_all(&program.dir)
                .map_err(KnowledgeError::io("make the folder", &program.dir))?;
            program.run(&["init", "--quiet", "--bare", "."])?;
        }
        let name = self.reference.as_deref().unwrap_or("HEAD");
        program.run(&[
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-commit-graph",
            "--force",
            "--",
            &plain,
            &format!("+{name}:refs/shuyuan/head"),
        ])?;
        let commit = text(&program.run(&["rev-parse", "--verify", "refs/shuyuan/head^{commit}"])?);
        let date = text(&program.run(&["show", "--no-patch", "--format=%cs", &commit])?);
        let tree = program.run(&["ls-tree", "-r", "-z", "-l", "--full-tree", &commit])?;
        let folder = self.path.as_deref().unwrap_or_default().trim_matches('/');
        let mut files = Vec::new();
        for line in tree.split(|&byte| byte == 0).filter(|line| !line.is_empty()) {
            let line = String::from_utf8_lossy(line).into_owned();
            let Some((about, path)) = line.split_once('\t') else { continue };
            let about: Vec<&str> = about.split_whitespace().collect();
            let [mode, "blob", blob, size] = about[..] else { continue };
            // A link could lead out of the repository; what it points at is read under its own name.
            if mode == "120000" {
                continue;
            }
            let inside =
                folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            if !inside || !wanted(path, &self.endings) {
                continue;
            }
            let (program, blob, size) = (program.clone(), blob.to_string(), size.parse().unwrap_or(0));
            files.push(File {
                key: path.to_string(),
                stamp: Some(blob.clone()),
                size,
                date: Some(date.clone()),
                url: None,
                load: Box::new(move |_, limits| {
                    if size > limits.file {
                        return too_large(limits);
                    }
                    match program.run(&["cat-file", "blob", &blob]) {
                        Ok(bytes) if bytes.starts_with(b"version https://git-lfs") => Loaded::Unread(
                            "is kept in Git LFS, which is not read; copy the file to a folder".into(),
                        ),
                        Ok(bytes) => Loaded::Bytes(bytes, None),
                        Err(error) => Loaded::Later(error.to_string()),
                    }
                }),
            });
            if files.len() > MOST {
                return Err(KnowledgeError::Asked(format!(
                    "the repository has more than {MOST} files; choose a path"
                )));
            }
        }
        Ok(files)
    }
}

/// `user@host:path`, which has no slash before its colon.
fn is_scp(url: &str) -> bool {
    url.split_once(':').is_some_and(|(host, path)| {
        // `ext::command` is a way to run programs.
        !host.contains('/') && host.contains('@') && !host.starts_with('-') && !path.starts_with(':')
    })
}

/// The `git` program in one bare repository.
#[derive(Clone)]
struct Program {
    dir: PathBuf,
    local: bool,
    header: Option<String>,
    limit: Duration,
}

impl Program {
    /// What `git` writes; it asks nothing, runs no hooks, speaks no other protocols and does not take forever.
    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut command = Command::new("git");
        command
            .args(["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "core.fsmonitor=false"])
            .args(["-c", "protocol.version=2", "-c", "http.followRedirects=initial"])
            .args(arguments)
            .current_dir(&self.dir)
            .env("GIT_DIR", ".")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("SSH_ASKPASS", "")
            .env("GIT_ALLOW_PROTOCOL", if self.local { "file" } else { "https:http:ssh:git" })
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .env("LC_ALL", "C")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .env_remove("GIT_OBJECT_DIRECTORY")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if std::env::var_os("GIT_SSH_COMMAND").is_none() {
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=20");
        }
        // In the environment, where other users of the machine do not see it.
        if let Some(header) = &self.header {
            command.env("GIT_CONFIG_COUNT", "1");
            command.env("GIT_CONFIG_KEY_0", "http.extraHeader").env("GIT_CONFIG_VALUE_0", header);
        }
        // Its own group, so that its helpers end with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| {
            KnowledgeError::Asked(format!("the program git cannot be started ({error}); install it"))
        })?;
        let (mut out, mut errors) = (child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            let out = scope.spawn(move || {
                let mut bytes = Vec::new();
                out.as_mut().map(|out| out.read_to_end(&mut bytes));
                bytes
            });
            let errors = scope.spawn(move || {
                let mut bytes = Vec::new();
                errors.as_mut().map(|errors| errors.take(64 << 10).read_to_end(&mut bytes));
                bytes
            });
            let begun = Instant::now();
            let mut pause = Duration::from_micros(200);
            let status = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break Some(status),
                    Ok(None) if begun.elapsed() < self.limit => {
                        std::thread::sleep(pause);
                        pause = (pause * 2).min(Duration::from_millis(50));
                    }
                    _ => {
                        end(&mut child);
                        break None;
                    }
                }
            };
            let (out, errors) = (out.join().unwrap_or_default(), errors.join().unwrap_or_default());
            match status {
                Some(status) if status.success() => Ok(out),
                Some(_) => {
                    let said = text(&errors);
                    let last = said
                        .lines()
                        .filter(|line| !line.trim().is_empty())
                        .take(3)
                        .collect::<Vec<_>>()
                        .join(" ");
                    Err(KnowledgeError::Asked(format!("git {}: {last}", arguments[0])))
                }
                None => Err(KnowledgeError::Asked(format!(
                    "git {}: no end after {} s; allow more with timeout",
                    arguments[0],
                    self.limit.as_secs()
                ))),
            }
        })
    }
}

fn end(child: &mut std::process::Child) {
    #[cfg(unix)]
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
    let _ = child.kill();
    let _ = child.wait();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repositories_are_addresses() {
        let checked = |url: &str| Git { url: url.into(), ..Git::default() }.checked().is_ok();
        for fine in ["https://h/a.git", "ssh://git@h/a", "git@h:a/b.git", "/srv/a.git", "${REPOSITORY}"] {
            assert!(checked(fine), "{fine}");
        }
        for wrong in
            ["ext::sh -c id", "a@b::x", "file:///etc", "--upload-pack=x", "-a@b:c", "a.git", "fd::3", ""]
        {
            assert!(!checked(wrong), "{wrong}");
        }
        let git = |name: &str| Git { url: "/a".into(), reference: Some(name.into()), ..Git::default() };
        assert!(git("--exec=x").checked().is_err() && git("main").checked().is_ok());
    }
}
