// Puts a running server under load and says what it did and what that cost. See bench/README.md.
#include "bench/load/scenarios.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iostream>

using namespace rowlock::bench;

namespace {

struct scenario {
    const char* name;
    outcome (*run)(server&, const load_options&);
};

constexpr scenario scenarios[] = {
    {"idle", run_idle}, {"submit", run_submit}, {"batch", run_batch}, {"stream", run_stream}, {"drain", run_drain}, {"latency", run_latency}, {"sleep", run_sleep},
};

std::vector<std::string> all_names()
{
    std::vector<std::string> names;
    for (const scenario& each : scenarios) names.emplace_back(each.name);
    return names;
}

}

int main(int argc, char** argv)
{
    CLI::App app("Measures a running Rowlock server that does nothing else. It needs no token: `rowlock dev`, or `serve --auth none`.", "load");
    std::vector<std::string> chosen;
    server_options where;
    load_options options;
    std::string data;
    std::size_t seconds = 5;
    bool as_json = false;
    const CLI::Range some(std::size_t{1}, std::size_t{1'000'000});
    app.add_option("SCENARIO", chosen, "idle, submit, batch, stream, drain, latency, sleep; all of them if none is named")->check(CLI::IsMember(all_names()));
    app.add_option("--url", where.urls, "The server; several, each with its --url, are instances of one database and share the load")
        ->allow_extra_args(false)->capture_default_str();
    app.add_option("--data", data, "The folder of `rowlock dev`: for the figures of its PostgreSQL");
    app.add_option("--database", where.database, "The database's URL: for the bytes of WAL");
    app.add_option("--server-pid", where.pids, "The server's processes; otherwise the newest instances alive")->allow_extra_args(false);
    app.add_option("--seconds", seconds, "Length of idle, submit, batch, stream and latency")->check(CLI::Range(std::size_t{1}, std::size_t{3600}))->capture_default_str();
    app.add_option("--connections", options.connections, "Of submit and latency")->check(some)->capture_default_str();
    app.add_option("--batch-connections", options.batch_connections, "Of batch and stream")->check(some)->capture_default_str();
    app.add_option("--batch", options.batch, "Submissions in a batch")->check(CLI::Range(std::size_t{1}, std::size_t{10'000}))->capture_default_str();
    app.add_option("--frame", options.frame, "Submissions in a frame of stream")->check(CLI::Range(std::size_t{1}, std::size_t{10'000}))->capture_default_str();
    app.add_option("--in-flight", options.in_flight, "Frames of each stream that wait for their answers; no more than the server takes")
        ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}))->capture_default_str();
    app.add_option("--drain", options.drained, "Noops that drain ends")->check(some)->capture_default_str();
    app.add_option("--rate", options.rate, "Submissions a second of latency")->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))->capture_default_str();
    app.add_option("--sleeps", options.sleeps, "Executions that sleep at a time")->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))->capture_default_str();
    app.add_flag("--stored", options.stored, "submit, batch, stream: due in a day, so that nothing is run meanwhile");
    app.add_flag("--json", as_json, "JSON instead of a table");
    CLI11_PARSE(app, argc, argv);
    where.data = data;
    options.length = std::chrono::seconds{seconds};
    if (chosen.empty()) chosen = all_names();

    std::vector<outcome> outcomes;
    int code = 0;
    try {
        server at(where);
        for (const std::string& name : chosen) {
            std::cerr << "load: " << name << std::endl;
            const auto found = std::find_if(std::begin(scenarios), std::end(scenarios), [&](const scenario& s) { return s.name == name; });
            outcomes.push_back(found->run(at, options));
        }
    } catch (const boost::system::system_error& e) {
        std::cerr << fmt::format("load: {}: {}\n", fmt::join(where.urls, ", "), e.code().message());
        code = 1;
    } catch (const std::exception& e) {
        std::cerr << "load: " << e.what() << '\n';
        code = 1;
    }
    if (as_json) print_json(outcomes);
    else print_table(outcomes);
    return code;
}
