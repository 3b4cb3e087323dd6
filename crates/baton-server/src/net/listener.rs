//! The listening socket: TCP, or a file of a Unix socket.
//!
//! Owns how a listener is opened, and the socket's file. The file is replaced only if no process
//! answers behind it, and is removed with the listener.

use std::fmt::{self, Display};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::config::{Settings, SocketAccess};
use crate::net::accepted_stream::AcceptedStream;
use crate::net::client_addr::Peer;

/// Connections that may wait to be accepted. The system reduces it to its own limit
/// (`net.core.somaxconn`).
const BACKLOG: u32 = 16_384;

/// A listening socket; see the module.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }
}

impl Listener {
    /// Listens on the first address of the setting `listen` that is available, with a queue for a
    /// storm of connections; or on its Unix socket.
    ///
    /// # Errors
    /// Each address is in use, or does not belong to this machine: returns the last error of the
    /// system. Or a process listens on the Unix socket, or its path names another kind of file.
    pub fn bind(settings: &Settings) -> io::Result<Self> {
        let listen = &settings.listen;
        if let Some(path) = listen.socket() {
            let (listener, file) = bind_file(path, settings.socket_access)?;
            return Ok(Self(Kind::Unix(listener, file)));
        }
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in listen.addresses() {
            match bind_address(address) {
                Ok(listener) => return Ok(listener.into()),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Returns the address; `None` for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix(..) => None,
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<(AcceptedStream, Peer)> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((AcceptedStream::Tcp(stream), Peer::Address(peer)))
            }
            Kind::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((AcceptedStream::Unix(stream), Peer::UnixSocket))
            }
        }
    }
}

impl Display for Listener {
    /// Writes `127.0.0.1:8080`, or `unix:` and the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str("?"),
            },
            Kind::Unix(_, file) => write!(f, "unix:{}", file.path.display()),
        }
    }
}

fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(ip) => {
            let socket = TcpSocket::new_v6()?;
            // `[::]` takes IPv4 as well, whatever the system's default is (net.ipv6.bindv6only).
            rustix::net::sockopt::set_ipv6_v6only(&socket, !ip.is_unspecified())?;
            socket
        }
    };
    // A restarted server gets its port back while connections of the last process linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens under a name beside the path, and then moves the file: no client finds a file with
/// another mode, nor a moment without one.
fn bind_file(path: &Path, access: SocketAccess) -> io::Result<(UnixListener, SocketFile)> {
    refuse_if_taken(path)?;
    let mut prepared = path.as_os_str().to_owned();
    prepared.push(format!(".{}", std::process::id()));
    let mut file = SocketFile {
        path: prepared.into(),
        inode: 0,
    };
    file.remove_if(|metadata| metadata.file_type().is_socket());
    let socket = std::os::unix::net::UnixListener::bind(&file.path)?;
    file.inode = std::fs::symlink_metadata(&file.path)?.ino();
    // The standard library's queue is 128 long; listening again changes that.
    rustix::net::listen(&socket, i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    let mode = std::fs::Permissions::from_mode(access.mode());
    std::fs::set_permissions(&file.path, mode)?;
    std::fs::rename(&file.path, path)?;
    path.clone_into(&mut file.path);
    Ok((UnixListener::from_std(socket)?, file))
}

/// Checks that nothing is at the path but a socket behind which no process listens.
fn refuse_if_taken(path: &Path) -> io::Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        let what = "the path names a file that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    // Without waiting: the queue of a process that is stopped may be full.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        Ok(()) | Err(Errno::AGAIN) => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        Err(error) => Err(error.into()),
    }
}

/// The file of a Unix socket, removed when this is dropped, unless another process replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    fn remove_if(&self, own: impl FnOnce(&std::fs::Metadata) -> bool) {
        let found = std::fs::symlink_metadata(&self.path);
        if found.is_ok_and(|metadata| own(&metadata)) {
            let _gone_already = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove_if(|metadata| metadata.ino() == self.inode);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(path: &Path) -> io::Result<Listener> {
        let settings = Settings {
            listen: format!("unix:{}", path.display()).parse().unwrap(),
            socket_access: SocketAccess::Group,
            ..Settings::default()
        };
        Listener::bind(&settings)
    }

    #[tokio::test]
    async fn a_socket_file_is_replaced_only_if_no_process_answers_and_goes_with_its_listener() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("baton.sock");
        // Its process was killed.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = bind(&path).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert_eq!(first.to_string(), format!("unix:{}", path.display()));
        let taken = bind(&path).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_file_that_another_process_put_there_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("baton.sock");
        let first = bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
        for content in ["", "text"] {
            std::fs::write(&path, content).unwrap();
            let refused = bind(&path).unwrap_err();
            assert!(refused.to_string().contains("no socket"), "{refused}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[tokio::test]
    async fn the_unspecified_ipv6_address_takes_ipv4_as_well() {
        let settings = Settings {
            listen: "[::]:0".parse().unwrap(),
            ..Settings::default()
        };
        let listener = Listener::bind(&settings).unwrap();
        let port = listener.address().unwrap().port();
        for host in ["127.0.0.1", "[::1]"] {
            let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
            let connected = tokio::net::TcpStream::connect(address).await;
            assert!(connected.is_ok(), "{host}");
        }
    }
}
