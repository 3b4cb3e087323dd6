//! The program of the project `chat`.

use stories::{Line, Program, project};

#[test]
fn one_speaks_at_a_time_and_the_floor_passes_from_who_falls_silent_and_from_who_leaves() {
    let mut chat = Program::start(project("chat").arg("127.0.0.1:0"));
    let address = chat.address();
    let come = |number: usize| {
        let mut line = Line::connect(address);
        line.hears(&format!("{number} is here"));
        line
    };
    let (mut ann, mut ben) = (come(1), come(2));
    ann.says("hello");
    ben.hears("1: hello");

    ann.says("/floor");
    ben.hears("1 has the floor");
    ben.says("may I?");
    ben.hears("another has the floor");
    ann.says("no");
    ben.hears("1: no");

    // Ann answers nothing any more, though her connection is open.
    ben.says("/floor");
    ben.answers_until("2 has the floor");
    ben.answers_until("1 has left");
    ann.is_cut_off();

    let mut cleo = come(3);
    cleo.says("/floor");
    ben.hangs_up();
    cleo.answers_until("2 has left");
    cleo.answers_until("3 has the floor");
}
