#include "bench/load/resting_schedules.hpp"
#include "bench/load/run_all.hpp"
#include "bench/load/submissions.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <thread>

namespace rowlock::bench {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::string_view decided = "rowlock_schedule_ticks_total";
constexpr std::size_t jobs_at_once = 1000;
constexpr seconds longest_definition{600};
constexpr seconds longest_pause{20};
constexpr std::chrono::milliseconds between_looks{20};
// The schedules are registered before they are due, also where registering gets slower with their number.
constexpr double patience = 2;
constexpr seconds head_start{5};

std::string definitions(std::size_t first, std::size_t end, timestamp due)
{
    std::string list;
    for (std::size_t k = first; k < end; ++k) {
        list += fmt::format(R"({}{{"job_id": "load-fires-{}", "handler": {{"type": "noop"}}, "schedule": {{"schedule_type": "ONCE", "run_at": "{}"}}}})", k > first ? "," : "", k, to_rfc3339(due));
    }
    return fmt::format(R"({{"jobs": [{}]}})", list);
}

runtime::awaitable<void> define(const server& at, http_connection& over, std::size_t first, std::size_t end, timestamp due)
{
    const std::string request = at.request("POST", "/v1/jobs/apply", definitions(first, end, due));
    const reply answer = co_await over.exchange(request);
    if (answer.status != 200) throw refused("jobs with schedules were refused", answer.status, std::string(answer.body));
}

// Defines the jobs; those that were defined first say how long that takes, and are given their time at the end. Returns when they are due.
runtime::awaitable<void> define_all(const server& at, http_connection& over, const load_options& options, timestamp& due)
{
    co_await over.connect();
    const auto count = options.schedules;
    const auto began = steady_clock::now();
    co_await define(at, over, 0, std::min(count, jobs_at_once), wall_clock() + longest_definition);
    const auto each = std::chrono::duration<double>(steady_clock::now() - began) / static_cast<double>(std::min(count, jobs_at_once));
    due = wall_clock() + head_start + std::chrono::ceil<seconds>(each * static_cast<double>(count) * patience);
    for (std::size_t first = 0; first < count; first += jobs_at_once) {
        co_await define(at, over, first, std::min(count, first + jobs_at_once), due);
        options.progress(0.8 * static_cast<double>(first) / static_cast<double>(count));
    }
}

}

outcome run_firing(server& at, const load_options& options)
{
    add_resting_schedules(at, options);
    timestamp due{};
    {
        boost::asio::io_context context(1);
        http_connection connection(context, at.endpoint());
        run_all all(context);
        all.add(define_all(at, connection, options, due));
        all.run(longest_definition);
    }
    if (wall_clock() >= due) throw std::runtime_error("defining the schedules took until they were due; fire fewer with --schedules");
    const double decided_before = at.metric(decided);
    const double ended_before = at.ended();
    std::this_thread::sleep_until(due);
    const snapshot before = at.look();
    const auto count = static_cast<double>(options.schedules);
    at.wait_until(decided, decided_before + count, longest_pause, between_looks, [&](double now) { options.progress(0.8 + 0.2 * (now - decided_before) / count); });
    const auto fired = steady_clock::now();
    at.wait_until_ended(ended_before + count, longest_pause, between_looks);
    const snapshot after = at.look();

    outcome made{"firing", fmt::format("{} schedules due at one moment, each of its own job, a noop{}", options.schedules, resting_note(options))};
    made.add("jobs", count);
    made.add("fired/s", count / std::chrono::duration<double>(fired - before.at).count());
    made.add("all fired s", std::chrono::duration<double>(fired - before.at).count());
    made.add("ended/s", count / std::chrono::duration<double>(after.at - before.at).count());
    add_usage(made, before, after, count);
    made.add("server MB", at.rss_mb());
    return made;
}

}
