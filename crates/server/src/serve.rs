//! Binds an address and serves it from threads of its own.

use crate::app::{self, App};
use crate::kb;
use anyhow::{Context, Result, bail};
use shuyuan_academy::Academy;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Where the server is unless told otherwise.
pub const DEFAULT_PORT: u16 = 8787;
/// How many ports from there are tried.
const PORTS: u16 = 50;

/// Where to listen, and whom to let in.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// An IP address; any other than this machine's own (loopback) needs a key.
    pub host: IpAddr,
    /// The port; 0 for any free one. None: [`DEFAULT_PORT`], or the next free one.
    pub port: Option<u16>,
    /// What every request must carry, if set. Printable ASCII without spaces.
    pub api_key: Option<String>,
    /// Answers that are generated together; more wait.
    pub at_once: usize,
    /// After how long a model that nobody uses is unloaded; not the live one.
    pub idle: Duration,
    /// The most bytes of weights beside the live model's. None: half of this machine's memory.
    pub model_memory: Option<usize>,
    /// The most bytes of keys and values of each model. None: a quarter of what is free when it is loaded.
    pub cache_memory: Option<usize>,
    /// Whether a text that is longer than the context loses its middle where a request does not say.
    pub slide: bool,
    /// Whether each request is told on standard error.
    pub access_log: bool,
    /// How long the end waits for answers under way.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: None,
            api_key: None,
            at_once: 16,
            idle: Duration::from_secs(15 * 60),
            model_memory: None,
            cache_memory: None,
            slide: false,
            access_log: false,
            drain: Duration::from_secs(30),
        }
    }
}

impl ServeOptions {
    fn check(&self, home: &Path) -> Result<()> {
        let readers = crate::keys::read_keys(home)?.len();
        match self.api_key.as_deref() {
            // Otherwise whoever has no key would be the owner, or nobody would be.
            None if readers > 0 => bail!(
                "{}: there are keys of readers, so the owner needs one, too: give --api-key KEY, or remove them with \
                 `shuyuan kb key remove`",
                home.display()
            ),
            None if !self.host.is_loopback() => bail!(
                "{} can be reached from other machines, so a key is needed: give --api-key KEY, or serve on 127.0.0.1",
                self.host
            ),
            Some(key) if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                bail!("the API key must be printable ASCII without spaces, and not empty")
            }
            _ => Ok(()),
        }
    }
}

/// A running server. Dropping it leaves it running; the process ends when it likes.
pub struct Server {
    address: SocketAddr,
    app: Weak<App>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to open in a browser on this machine.
    pub fn url(&self) -> String {
        let host = match self.address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}/", SocketAddr::new(host, self.address.port()))
    }

    /// Whether an answer is being generated.
    pub fn is_busy(&self) -> bool {
        self.app.upgrade().is_some_and(|app| app.turns.is_busy())
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// If the server fails.
    pub fn wait(self) -> Result<()> {
        let _keep = self.stop;
        self.thread.join().unwrap_or_else(|_| bail!("the server's thread panicked"))
    }

    /// Stops taking requests, waits for those under way (as long as [`ServeOptions::drain`]) and ends.
    ///
    /// # Errors
    /// If the server had failed.
    pub fn stop(self) -> Result<()> {
        let _ended = self.stop.send(());
        self.thread.join().unwrap_or_else(|_| bail!("the server's thread panicked"))
    }
}

/// Starts a server over `academy` and returns once it listens.
///
/// # Errors
/// If the address would be open to others without a key, or is taken; if there are keys of readers and none of the owner.
pub fn serve(academy: Arc<Academy>, options: &ServeOptions) -> Result<Server> {
    options.check(academy.home.root())?;
    let options = options.clone();
    let (told, bound) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("server".into()).spawn(move || {
        // Requests are few and their work is done elsewhere: the cores belong to training and generation.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.context("cannot start the server's threads")?;
        runtime.block_on(async {
            let listener = match bind(&options).await {
                Ok(listener) => listener,
                Err(error) => {
                    drop(told.send(Err(error)));
                    return Ok(());
                }
            };
            let app = App::new(academy, &options);
            let address = listener.local_addr().context("the server's address");
            drop(told.send(address.map(|address| (address, Arc::downgrade(&app)))));
            tokio::spawn(sweep(Arc::downgrade(&app)));
            tokio::spawn(kb::keep_fresh(Arc::downgrade(&app)));
            let router = app::router(app.clone(), options.api_key.as_deref());
            let (ended, end) = oneshot::channel::<()>();
            let until_end = async move { drop(end.await) };
            let mut serving = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(until_end).into_future());
            tokio::select! {
                result = &mut serving => return result.context("the server's task")?.context("the server failed"),
                // An error here means that the `Server` was dropped, which leaves it running.
                Ok(()) = stopped => {}
            }
            app.end();
            drop(ended);
            // What is not done by then is broken off.
            drop(tokio::time::timeout(options.drain, serving).await);
            Ok(())
        })?;
        runtime.shutdown_background();
        Ok(())
    });
    let thread = thread.context("cannot start the server's thread")?;
    match bound.recv() {
        Ok(bound) => {
            let (address, app) = bound?;
            Ok(Server { address, app, stop, thread })
        }
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error),
            _ => bail!("the server ended before it began"),
        },
    }
}

/// Unloads idle models as long as the server is there.
async fn sweep(app: Weak<App>) {
    while let Some(every) = app.upgrade().map(|app| app.models.pool.sweep_every()) {
        tokio::time::sleep(every).await;
        if let Some(app) = app.upgrade() {
            app.models.pool.sweep();
        }
    }
}

async fn bind(options: &ServeOptions) -> Result<TcpListener> {
    let host = options.host;
    if let Some(port) = options.port {
        return TcpListener::bind((host, port)).await.with_context(|| {
            format!("cannot listen on {}: choose another with --port", SocketAddr::new(host, port))
        });
    }
    let mut failure = None;
    for port in DEFAULT_PORT..DEFAULT_PORT + PORTS {
        match TcpListener::bind((host, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = Some(error),
        }
    }
    let last = DEFAULT_PORT + PORTS - 1;
    let why = failure.map_or_else(String::new, |error| format!(" ({error})"));
    bail!("no free port from {DEFAULT_PORT} to {last} on {host}{why}: choose another with --port")
}
