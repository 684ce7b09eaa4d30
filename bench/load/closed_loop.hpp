#pragma once

#include "bench/load/latencies.hpp"
#include "bench/load/run_all.hpp"
#include "bench/load/scenarios.hpp"

#include <deque>
#include <functional>

namespace rowlock::bench {

inline constexpr std::chrono::seconds longest_answer{60};
inline constexpr std::chrono::seconds longest_pause{20};

// What one of the callers of a closed loop has seen: each sends its next request when one is answered.
struct seen_answers {
    latencies times{};
    std::size_t accepted = 0;
    std::size_t refused = 0;

    void add(bool was_accepted, std::chrono::nanoseconds took)
    {
        if (was_accepted) {
            ++accepted;
            times.add(took);
        } else {
            ++refused;
        }
    }
};

// Adds to `made` what has come of the executions that were submitted from `before` to `submitted`: waits until the last of them has ended, unless they are only stored.
// `ended_before`: how many had ended before.
outcome with_answers(server& at, outcome made, seen_answers seen, double jobs, const snapshot& before, std::chrono::steady_clock::time_point submitted, double ended_before,
                     const load_options& options);

// Adds to `made` what comes of callers that submit until the time is up, and what it costs until the last of their executions has ended.
// `submit`: a caller's whole work, until the given moment.
template <class Caller>
outcome measure_closed_loop(server& at, outcome made, run_all& all, std::deque<Caller>& callers,
                            const std::function<runtime::awaitable<void>(Caller&, std::chrono::steady_clock::time_point end)>& submit, std::size_t jobs_a_request,
                            const load_options& options)
{
    const double ended_before = at.ended();
    const snapshot before = at.look();
    for (Caller& each : callers) all.add(submit(each, before.at + options.length));
    all.run(options.length + longest_answer, options.tell_from(before.at));
    const auto submitted = std::chrono::steady_clock::now();

    seen_answers seen;
    for (const Caller& each : callers) {
        seen.times.add(each.seen.times);
        seen.accepted += each.seen.accepted;
        seen.refused += each.seen.refused;
    }
    return with_answers(at, std::move(made), seen, static_cast<double>(seen.accepted * jobs_a_request), before, submitted, ended_before, options);
}

}
