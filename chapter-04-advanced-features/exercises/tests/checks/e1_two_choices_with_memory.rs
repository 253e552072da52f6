//! The checks of exercise 4.1.

use exercises_04::contracts::Choice;
use integration_tests::rng::Rng;

use crate::exercise_checks;

type Choose = fn(usize, Option<usize>, &[u32], &[bool]) -> Choice;

exercise_checks!(
    exercises_04,
    e1_two_choices_with_memory::choose,
    [
        less_loaded_backend_gets_the_request,
        remembered_backend_is_chosen_with_this_request_counted,
        backend_that_is_down_is_neither_chosen_nor_remembered,
        backend_that_left_the_list_is_ignored,
        drawn_backend_may_be_the_remembered_one,
        no_request_count_panics,
        a_memory_is_as_good_as_a_second_draw,
    ]
);

/// A choice among three backends that are up: the chosen one, and the remembered one.
fn chosen(choose: Choose, drawn: usize, remembered: Option<usize>, in_flight: [u32; 3]) -> (usize, usize) {
    let Choice { backend, remember } = choose(drawn, remembered, &in_flight, &[true; 3]);
    (backend, remember)
}

fn less_loaded_backend_gets_the_request(choose: Choose) {
    for (drawn, remembered, in_flight, expected) in [
        (0, 1, [9, 3, 0], 1),
        (1, 0, [9, 3, 0], 1),
        (0, 1, [0, 1, 0], 0),
        (2, 0, [4, 0, 4], 2),
        (0, 2, [4, 0, 4], 0),
        (1, 2, [0, 0, 0], 1),
    ] {
        let (backend, _) = chosen(choose, drawn, Some(remembered), in_flight);
        assert_eq!(backend, expected, "{drawn} is drawn, {remembered} remembered, and in flight are {in_flight:?}");
    }
    assert_eq!(chosen(choose, 0, None, [9, 0, 0]).0, 0, "0 is drawn and none remembered; [9, 0, 0] in flight");
}

fn remembered_backend_is_chosen_with_this_request_counted(choose: Choose) {
    for (drawn, remembered, in_flight, expected) in [
        (0, 1, [9, 3, 0], 1),
        (1, 0, [9, 3, 0], 1),
        (0, 1, [1, 3, 0], 0),
        (0, 1, [2, 3, 0], 1),
        (1, 0, [2, 3, 0], 1),
        (0, 1, [3, 3, 0], 1),
        (1, 2, [0, 0, 0], 2),
    ] {
        let (_, remember) = chosen(choose, drawn, Some(remembered), in_flight);
        assert_eq!(
            remember, expected,
            "the remembered backend when {drawn} is drawn, {remembered} remembered, and in flight are {in_flight:?}"
        );
    }
    assert_eq!(chosen(choose, 2, None, [0, 0, 7]).1, 2, "the remembered backend when 2 is drawn and none remembered");
}

fn backend_that_is_down_is_neither_chosen_nor_remembered(choose: Choose) {
    for in_flight in [[9, 0, 9], [9, 9, 9], [0, 9, 0]] {
        let choice = choose(0, Some(1), &in_flight, &[true, false, true]);
        let expected = Choice { backend: 0, remember: 0 };
        assert_eq!(choice, expected, "0 is drawn, 1 remembered and down by now, and in flight are {in_flight:?}");
    }
}

fn backend_that_left_the_list_is_ignored(choose: Choose) {
    for gone in [3, 4, usize::MAX] {
        let choice = choose(2, Some(gone), &[0, 0, 5], &[true; 3]);
        let expected = Choice { backend: 2, remember: 2 };
        assert_eq!(choice, expected, "2 is drawn, {gone} remembered, and there are three backends");
    }
}

fn drawn_backend_may_be_the_remembered_one(choose: Choose) {
    assert_eq!(chosen(choose, 1, Some(1), [0, 5, 0]), (1, 1), "1 is drawn and remembered");
}

fn no_request_count_panics(choose: Choose) {
    let all = u32::MAX;
    assert_eq!(chosen(choose, 0, Some(1), [all, all, 0]), (0, 1), "`u32::MAX` in flight on both");
    assert_eq!(chosen(choose, 0, Some(1), [all - 1, all, 0]), (0, 1), "one less on the drawn one");
    assert_eq!(chosen(choose, 0, Some(1), [all, 0, 0]), (1, 1), "none on the remembered one");
}

/// Requests that are never answered: the highest load of a thousand backends, the mean of twenty runs.
fn highest_load(mut next: impl FnMut(&mut Rng, &[u32]) -> usize) -> f64 {
    let runs = (1..=20).map(|run| {
        let (mut seed, mut in_flight) = (Rng::new(run), [0; 1_000]);
        for _ in 0..3_000 {
            in_flight[next(&mut seed, &in_flight)] += 1;
        }
        f64::from(in_flight.into_iter().max().unwrap_or_default())
    });
    runs.sum::<f64>() / 20.0
}

fn a_memory_is_as_good_as_a_second_draw(choose: Choose) {
    let one_draw = highest_load(|seed, in_flight| seed.below(in_flight.len()));
    let two_draws = highest_load(|seed, in_flight| {
        let (one, other) = (seed.below(in_flight.len()), seed.below(in_flight.len()));
        if in_flight[other] < in_flight[one] { other } else { one }
    });
    let mut remembered = None;
    let memory = highest_load(|seed, in_flight| {
        let choice = choose(seed.below(in_flight.len()), remembered, in_flight, &[true; 1_000]);
        remembered = Some(choice.remember);
        choice.backend
    });
    assert!(
        memory < two_draws + 0.5,
        "of 3000 requests on 1000 backends, the highest load should be about {two_draws} as with two draws (one draw: \
         {one_draw}), but is {memory}",
    );
}
