#include "bench/load/resting_schedules.hpp"
#include "bench/load/run_all.hpp"
#include "bench/load/submissions.hpp"

#include <fmt/format.h>
#include <thread>

namespace rowlock::bench {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds sleep_length{15};
constexpr std::chrono::seconds longest_submission{60};
constexpr std::chrono::seconds longest_rise{10};
constexpr std::chrono::milliseconds between_looks{100};

// The most executions that ran at a time until `all` did, or until the time was up.
double wait_until_running(server& at, double all, const load_options& options)
{
    const auto until = steady_clock::now() + longest_rise;
    double most = 0;
    while (most < all && steady_clock::now() < until) {
        most = std::max(most, at.metric("rowlock_executions_running"));
        options.progress(most / all / 2);
        std::this_thread::sleep_for(between_looks);
    }
    return most;
}

}

outcome run_sleep(server& at, const load_options& options)
{
    at.define("load-sleep", fmt::format(R"({{"type": "sleep", "seconds": {}}})", sleep_length.count()));
    const double ended_before = at.ended();
    const auto before = at.rss_mb();
    {
        asio::io_context context(1);
        http_connection connection(context, at.endpoint());
        run_all all(context);
        all.add(submit_all(at, connection, "load-sleep", options.sleeps, {}, [](double) {}));
        all.run(longest_submission);
    }
    const auto wanted = static_cast<double>(options.sleeps);
    const double running = wait_until_running(at, wanted, options);
    const auto during = at.rss_mb();
    at.wait_until_ended(ended_before + wanted, 2 * sleep_length, between_looks, [&](double ended) { options.progress(0.5 + (ended - ended_before) / wanted / 2); });

    outcome made{"sleep", fmt::format("{} sleeps of {} s", options.sleeps, sleep_length.count())};
    made.add("running", running);
    if (running < wanted) made.remark = fmt::format("{:.0f} of {} ran at a time: start the server with --executor-parallelism {}", running, options.sleeps, options.sleeps);
    made.add("server MB", during);
    if (before && during && running > 0) made.add("server kB/running", (*during - *before) * 1000 / running);
    return made;
}

outcome run_idle(server& at, const load_options& options)
{
    add_resting_schedules(at, options);
    // The counters of PostgreSQL lag by up to a second; what came before must be in the first look, not in the second.
    std::this_thread::sleep_for(std::chrono::seconds{2});
    const double statements_before = at.metric("rowlock_statements_total");
    const snapshot before = at.look();
    const auto tell = options.tell_from(before.at);
    const auto end = before.at + options.length;
    while (steady_clock::now() < end) {
        std::this_thread::sleep_for(between_looks);
        tell();
    }
    const snapshot after = at.look();
    const double statements = at.metric("rowlock_statements_total") - statements_before;

    const double seconds = std::chrono::duration<double>(after.at - before.at).count();
    outcome made{"idle", fmt::format("{} s{}", options.length.count(), resting_note(options))};
    made.add("server MB", at.rss_mb());
    const auto percent = [seconds](auto then, auto now) -> std::optional<double> {
        if (!then || !now) return std::nullopt;
        return std::chrono::duration<double>(*now - *then).count() / seconds * 100;
    };
    made.add("server cpu %", percent(before.server, after.server));
    made.add("postgres cpu %", percent(before.postgres, after.postgres));
    made.add("statements/s", statements / seconds);
    if (before.transactions && after.transactions) made.add("transactions/s", (*after.transactions - *before.transactions) / seconds);
    return made;
}

}
