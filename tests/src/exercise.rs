//! Runs an exercise's checks against the reader's answer, on request, and against our solution, always.

use std::path::Path;
use std::process::Command;

use crate::cargo;

/// Expands to one test per check and answer.
///
/// An answer is a free function. A check is a function that takes it: `fn every_segment_is_answered(serve: Serve)`,
/// with a type that both answers coerce to (a function pointer), or generic over what it makes (`fn empty<C:
/// Cache>(new: fn() -> C)`). The reader's is `krate::path`, ignored unless asked for, so that the ordinary tests are
/// never red; ours is `krate::solutions::path`.
///
/// ```ignore
/// exercise_checks!(exercises_01, e1_uppercase_echo::serve, [every_segment_is_answered]);
/// ```
///
/// The checks import the macro from the root of their crate: in the test target `wrong_answers` that is
/// [`wrong_answer_cases`](crate::wrong_answer_cases).
///
/// An answer that is a part of a chapter's program is judged by that chapter's suites too
/// ([`assert_passes_suites`](crate::exercise::assert_passes_suites)), in a program with the reader's and one with ours:
///
/// ```ignore
/// exercise_checks!(
///     exercises_03,
///     e7_picker::picker,
///     [backends_take_turns],
///     suites ["balance", "failover"] of "chapter-03-load-balancer" with "your_picker_lb" or "solution_picker_lb"
/// );
/// ```
#[macro_export]
macro_rules! exercise_checks {
    (
        $krate:ident,
        $exercise:ident :: $function:ident,
        [$($check:ident),+ $(,)?]
        $(, suites [$($suite:literal),+] of $package:literal with $yours:literal or $solution:literal)?
    ) => {
        mod yours {
            use $krate::$exercise::$function as answer;
            $(
                #[test]
                #[ignore = "an exercise: `cargo learn check` runs it"]
                fn $check() {
                    super::$check(answer);
                }
            )+
            $(
                #[test]
                #[ignore = "an exercise: `cargo learn check` runs it"]
                fn the_balancer_passes_its_suites() {
                    let program = env!(concat!("CARGO_BIN_EXE_", $yours));
                    $crate::exercise::assert_passes_suites($package, program, &[$($suite),+]);
                }
            )?
        }
        mod solution {
            use $krate::solutions::$exercise::$function as answer;
            $(
                #[test]
                fn $check() {
                    super::$check(answer);
                }
            )+
            $(
                #[test]
                fn the_balancer_passes_its_suites() {
                    let program = env!(concat!("CARGO_BIN_EXE_", $solution));
                    $crate::exercise::assert_passes_suites($package, program, &[$($suite),+]);
                }
            )?
        }
    };
}

/// Asserts that `program` passes these suites of a chapter, whose package is `package`. The program is the chapter's
/// own with one part exchanged: the reader's.
pub fn assert_passes_suites(package: &str, program: &str, suites: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = cargo::build(root, &["test", "--no-run", "--package", package, "--test", "ladder"]);
    let built = built.expect("cargo can be run").expect("the chapter's tests compile");
    // Not the first: cargo builds the chapter's programs too, in any order.
    let ladder = built.into_iter().find(|built| built.name == "ladder").expect("cargo builds the ladder").program;
    for suite in suites {
        let mut run = Command::new(&ladder);
        run.args([&format!("{suite}::"), "--color", "never"]).env("LB_BIN", program).current_dir(root);
        let output = run.output().expect("the suites can be run");
        let said = String::from_utf8_lossy(&output.stdout);
        let failed: Vec<_> = said.lines().filter(|line| line.ends_with(" ... FAILED")).collect();
        assert!(output.status.success(), "suite {suite}:\n{}", failed_cases(&failed, &said));
    }
}

/// The names of the failed cases, and what the first of them says.
fn failed_cases(failed: &[&str], said: &str) -> String {
    let first = said.split_once("\n---- ").map_or(said, |(_, rest)| rest.split("\n\n").next().unwrap_or(rest));
    format!("{}\n---- {first}", failed.join("\n"))
}
