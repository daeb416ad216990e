//! Real servers: started by `scripts/services`, and gone when the test ends.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A server of this test's own, with an empty folder and a free port.
pub(crate) struct Server {
    service: &'static str,
    options: Vec<String>,
    folder: TempDir,
    port: u16,
    runs: bool,
}

impl Server {
    /// Starts a service. Fails the test, with what the script said, if it does not start.
    pub(crate) fn start(service: &'static str, options: &[&str]) -> Server {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        drop(listener);
        let options = options.iter().map(|it| (*it).to_owned()).collect();
        let mut server = Server { service, options, folder, port, runs: false };
        server.start_again();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it in its folder, after it ended.
    pub(crate) fn start_again(&mut self) {
        let options = self.options.clone();
        self.script("start", &options);
        self.runs = true;
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        self.script("stop", &[]);
        self.runs = false;
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.script("kill", &[]);
        self.runs = false;
    }

    fn script(&self, action: &str, options: &[String]) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
        let output = Command::new(script)
            .args([self.service, action])
            .arg(self.folder.path())
            .arg(self.port.to_string())
            .args(options)
            .output()
            .expect("scripts/services starts");
        assert!(
            output.status.success(),
            "{} {action}: {}{}",
            self.service,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A second panic would hide the first.
        if self.runs && !std::thread::panicking() {
            self.kill();
        } else if self.runs {
            let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
            let folder = self.folder.path();
            let port = self.port.to_string();
            let arguments = [self.service, "kill"];
            let _ = Command::new(script).args(arguments).arg(folder).arg(port).output();
        }
    }
}
