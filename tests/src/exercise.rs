//! Runs an exercise's checks against two answers: the reader's, on request, and our solution, always.

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
#[macro_export]
macro_rules! exercise_checks {
    ($krate:ident, $($step:ident)::+, [$($check:ident),+ $(,)?]) => {
        mod yours {
            use $krate::$($step)::+ as answer;
            $(
                #[test]
                #[ignore = "an exercise: `cargo learn check` runs it"]
                fn $check() {
                    super::$check(answer);
                }
            )+
        }
        mod solution {
            use $krate::solutions::$($step)::+ as answer;
            $(
                #[test]
                fn $check() {
                    super::$check(answer);
                }
            )+
        }
    };
}
