//! The terminal as a screen, and as it was before.

use std::io;

use ratatui::DefaultTerminal;

/// Calls `draw` with the whole terminal as its screen, in raw mode, and restores the terminal. If anything panics, on
/// any thread, a hook restores it before the panic is reported, so that the report can be read.
pub(super) fn with_screen<T>(draw: impl FnOnce(DefaultTerminal) -> T) -> io::Result<T> {
    let screen = ratatui::try_init().inspect_err(|_| drop(ratatui::try_restore()))?;
    let result = draw(screen);
    ratatui::try_restore()?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use integration_tests::terminal::ProgramOnTerminal;

    use super::*;

    #[test]
    #[ignore = "the next test runs it on a terminal"]
    fn panics_on_the_screen() {
        with_screen(|mut screen| {
            screen.draw(|frame| frame.render_widget("drawn", frame.area())).unwrap();
            panic!("in the middle of it");
        })
        .unwrap();
    }

    #[test]
    fn a_panic_restores_the_terminal_before_it_is_reported() {
        let this = std::env::current_exe().unwrap();
        let name = "top::terminal::tests::panics_on_the_screen";
        let args = ["--exact", name, "--ignored", "--nocapture", "--test-threads", "1"];
        let Some(program) = ProgramOnTerminal::start(&this, &args) else { return };
        program.wait_for("drawn");
        let (code, after) = program.end();
        assert!(code != 0 && after.contains("in the middle of it"), "{after:?}");
    }
}
