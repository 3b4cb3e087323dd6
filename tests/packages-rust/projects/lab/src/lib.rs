//! An application with documents: what the test beside it puts under load.

use std::error::Error;
use std::path::Path;

use axum::Router;
use axum::routing::get;
use baton_server::{Server, Settings};

/// Opens the documents in a folder, and returns the routes of the application.
pub fn application(folder: &Path) -> Result<Router, Box<dyn Error>> {
    let baton = Server::open(folder, Settings::default())?;
    Ok(Router::new()
        .route("/about", get(async || "notes\n"))
        .merge(baton.documents_router()))
}
