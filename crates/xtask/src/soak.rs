//! `soak`: a long run against the release build. Owns which programs it needs; what is done and
//! judged is in `tests/soak`.

use crate::place::Place;
use crate::run;
use crate::trouble::Done;

/// Builds the server and the run, and runs it with these arguments. Its findings are kept in the
/// target folder, unless the arguments name another one.
pub(crate) fn soak(place: &Place, arguments: &[String]) -> Done {
    let packages = ["--package", "baton-server", "--package", "baton-soak"];
    run::run(
        place
            .cargo(["build", "--locked", "--release", "--bins"])
            .args(packages),
    )?;
    let mut command = place.command(place.built("release", "soak"));
    command.args(arguments);
    if !arguments
        .iter()
        .any(|argument| argument.starts_with("--findings"))
    {
        command.arg("--findings").arg(place.findings("soak"));
    }
    run::run(command.env("BATON_BIN", place.built("release", "baton")))
}
