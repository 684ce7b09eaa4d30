#include "bench/load/run_all.hpp"
#include "bench/load/submissions.hpp"

#include <fmt/format.h>
#include <thread>

namespace rowlock::bench {

namespace asio = boost::asio;

namespace {

constexpr std::size_t slowest_submission = 5000;         // a second, on any machine that is worth measuring
constexpr std::chrono::seconds longest_submission{120};
constexpr std::chrono::seconds longest_pause{20};
constexpr std::chrono::milliseconds between_looks{20};

}

outcome run_drain(server& at, const load_options& options)
{
    at.define("load-noop", R"({"type": "noop"})");
    const double ended_before = at.ended();
    const auto due = wall_clock() + std::chrono::seconds{2 + options.drained / slowest_submission};
    {
        asio::io_context context(1);
        http_connection connection(context, at.endpoint());
        run_all all(context);
        all.add(submit_all(at, connection, "load-noop", options.drained, due, [&options](double share) { options.progress(share / 2); }));
        all.run(longest_submission);
    }
    if (wall_clock() >= due) throw std::runtime_error("submission took until the executions were due; drain fewer with --drain");
    std::this_thread::sleep_until(due);
    const snapshot before = at.look();
    const auto jobs = static_cast<double>(options.drained);
    at.wait_until_ended(ended_before + jobs, longest_pause, between_looks, [&](double ended) { options.progress(0.5 + (ended - ended_before) / jobs / 2); });
    const snapshot after = at.look();

    outcome made{"drain", fmt::format("{} noops due at one moment", options.drained)};
    made.add("jobs", jobs);
    made.add("ended/s", jobs / std::chrono::duration<double>(after.at - before.at).count());
    add_usage(made, before, after, jobs);
    made.add("server MB", at.rss_mb());
    return made;
}

}
