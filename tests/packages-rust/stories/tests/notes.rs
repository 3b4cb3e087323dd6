//! The program of the project `notes`.

use std::path::Path;

use stories::{Program, project};
use tempfile::TempDir;

fn notes(file: &Path, how: &str, address: &str) -> Program {
    Program::start(project("notes").arg(file).args([how, address]))
}

#[test]
fn copies_that_were_edited_apart_are_in_step_once_they_are_connected() {
    let folder = TempDir::new().unwrap();
    let [mine, hers, his] = ["mine", "hers", "his"].map(|name| folder.path().join(name));
    let mut me = notes(&mine, "listen", "127.0.0.1:0");
    let address = me.address().to_string();
    me.types("bread");
    me.prints("bread");

    let mut she = notes(&hers, "connect", &address);
    she.prints("bread");
    she.types("milk");
    me.prints("milk");
    // What comes over one line is passed on to the others.
    let mut he = notes(&his, "connect", &address);
    he.prints("milk");
    he.types("tea");
    she.prints("tea");

    // Apart, each goes on with the copy in the file.
    me.kill();
    he.kill();
    she.types("jam");
    she.prints("jam");
    she.kill();
    let mut me = notes(&mine, "listen", "127.0.0.1:0");
    let address = me.address().to_string();
    me.prints("tea");
    me.types("rice");
    me.prints("rice");

    let mut she = notes(&hers, "connect", &address);
    she.prints("jam");
    she.prints("rice");
    me.prints("jam");
}
