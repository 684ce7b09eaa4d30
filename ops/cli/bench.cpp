#include "bench/load/scenarios.hpp"
#include "ops/cli/base_url.hpp"
#include "ops/cli/progress_bar.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace {

constexpr std::size_t progress_steps = 100;

using scenario = bench::outcome (*)(bench::server&, const bench::load_options&);

// In the order in which they run.
constexpr std::pair<const char*, scenario> scenarios[] = {
    {"idle", bench::run_idle}, {"submit", bench::run_submit}, {"batch", bench::run_batch}, {"sql", bench::run_sql}, {"sql-many", bench::run_sql_many}, {"stream", bench::run_stream}, {"events", bench::run_events},
    {"drain", bench::run_drain}, {"latency", bench::run_latency}, {"sleep", bench::run_sleep},
    {"plan", bench::run_plan}, {"chain", bench::run_chain}, {"fan-out", bench::run_fan_out}, {"firing", bench::run_firing},
};

std::vector<std::string> scenario_names()
{
    std::vector<std::string> names;
    for (const auto& [name, run] : scenarios) names.emplace_back(name);
    return names;
}

struct bench_options {
    std::vector<std::string> chosen{};
    std::vector<std::string> others{};
    std::string data{};
    std::size_t seconds = 5;
    bench::server_options server{};
    bench::load_options load{};
};

outcome_of<bench::place> place_of(const std::string& url)
{
    const auto parsed = parse_base_url(url);
    if (!parsed) return bad_input(fmt::format("{} is no address of a server: http://HOST[:PORT]", url));
    if (parsed->tls || !parsed->prefix.empty()) return bad_input(fmt::format("{}: bench speaks to an instance itself, without TLS and without a path: http://HOST[:PORT]", url));
    return bench::place{parsed->host, parsed->port};
}

outcome_of<bench::server_options> server_options_of(const context& c, const bench_options& options)
{
    bench::server_options made = options.server;
    std::vector<std::string> urls{c.options.url};
    urls.insert(urls.end(), options.others.begin(), options.others.end());
    for (const std::string& url : urls) {
        auto where = place_of(url);
        if (!where) return where.error();
        made.instances.push_back(std::move(*where));
    }
    const auto is_unfit = [](const std::string& value) { return std::any_of(value.begin(), value.end(), [](unsigned char byte) { return byte < ' ' || byte == 0x7f; }); };
    if (is_unfit(c.options.token)) return bad_input("--token: has a control character in it");
    if (is_unfit(c.options.tenant)) return bad_input("--tenant: has a control character in it");
    if (!c.options.token.empty()) made.credentials += fmt::format("Authorization: Bearer {}\r\n", c.options.token);
    if (!c.options.tenant.empty()) made.credentials += fmt::format("X-Rowlock-Tenant: {}\r\n", c.options.tenant);
    made.tenant = c.options.tenant;
    made.data = options.data;
    return made;
}

bench::outcome measure(context& c, bench::server& at, bench::load_options options, const std::pair<const char*, scenario>& one)
{
    progress_bar bar(c.screen.err(), c.screen.style(), c.screen.quiet(), one.first, progress_steps);
    options.progress = [&bar](double share) { bar.advance_to(static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * progress_steps)); };
    return one.second(at, options);
}

void show(context& c, const std::vector<bench::outcome>& all)
{
    if (!c.screen.human()) {
        c.screen.document(bench::json_of(all));
        return;
    }
    // A figure a line: there are more of them than a terminal has columns for.
    std::vector<table::column> columns{{"FIGURE"}};
    for (const auto& one : all) columns.push_back({one.scenario, true});
    table shown(std::move(columns));
    for (const std::string& name : bench::columns_of(all)) {
        std::vector<cell> row{{name}};
        for (const auto& one : all) row.push_back({bench::text_of(one, name)});
        shown.add(std::move(row));
    }
    c.screen.show(shown);
    for (const auto& one : all) c.screen.notice(fmt::format("{}: {}{}{}", one.scenario, one.how, one.remark.empty() ? "" : "; ", one.remark));
}

exit_code run_bench(context& c, const bench_options& options)
{
    const auto server = server_options_of(c, options);
    if (!server) return c.fail(server.error());
    bench::load_options load = options.load;
    load.length = std::chrono::seconds{options.seconds};

    std::vector<bench::outcome> measured;
    std::optional<refusal> failed;
    try {
        bench::server at(*server);
        for (const auto& one : scenarios) {
            if (options.chosen.empty() || std::find(options.chosen.begin(), options.chosen.end(), one.first) != options.chosen.end()) measured.push_back(measure(c, at, load, one));
        }
    } catch (const bench::refused& e) {
        failed = refusal_of_reply(e.status, "application/problem+json", e.body, "");
        failed->title = fmt::format("{}: {}", e.what(), failed->title);
    } catch (const boost::system::system_error& e) {
        failed = refusal{exit_code::protocol, fmt::format("{} does not answer", c.options.url), fmt::format("{}. Start the server, or correct --url", e.code().message())};
    } catch (const std::exception& e) {
        failed = refusal{exit_code::execution_failed, "The measurement did not come to its end", e.what()};
    }
    if (!measured.empty()) show(c, measured);
    return failed ? c.fail(*failed) : exit_code::success;
}

}

void add_bench(CLI::App& app, context& c)
{
    CLI::App* verb = app.add_subcommand("bench", "Put a running server that does nothing else under load, and say what it did and what that cost");
    verb->group("Operating");
    const auto options = std::make_shared<bench_options>();
    const CLI::Range some(std::size_t{1}, std::size_t{1'000'000});
    const CLI::Range at_once(std::size_t{1}, std::size_t{10'000});
    verb->add_option("SCENARIO", options->chosen, "idle, submit, batch, sql, sql-many, stream, events, drain, latency, sleep, plan, chain, fan-out, firing; all of them if none is named")->check(CLI::IsMember(scenario_names()));
    verb->add_option("--also", options->others, "URL of a further instance at the same database, which shares the load; may be repeated")->allow_extra_args(false);
    verb->add_option("--data", options->data, "The folder of `rowlock dev`: for the figures of its PostgreSQL");
    verb->add_option("--database", options->server.database, "The database's URL: for the bytes of WAL, and for sql and sql-many");
    verb->add_option("--server-pid", options->server.pids, "The server's processes; otherwise the newest instances alive on this machine")->allow_extra_args(false);
    verb->add_option("--seconds", options->seconds, "Length of idle, submit, batch, sql, stream, events and latency")->check(CLI::Range(std::size_t{1}, std::size_t{3600}))->capture_default_str();
    verb->add_option("--connections", options->load.connections, "Of submit, events and latency")->check(at_once)->capture_default_str();
    verb->add_option("--batch-connections", options->load.batch_connections, "Of batch and stream")->check(at_once)->capture_default_str();
    verb->add_option("--batch", options->load.batch, "Submissions in a batch; of sql: in a transaction")->check(at_once)->capture_default_str();
    verb->add_option("--frame", options->load.frame, "Submissions in a frame of stream")->check(at_once)->capture_default_str();
    verb->add_option("--in-flight", options->load.in_flight, "Frames of each stream that wait for their answers; no more than the server takes")->check(at_once)->capture_default_str();
    verb->add_option("--drain", options->load.drained, "Noops that drain ends")->check(some)->capture_default_str();
    verb->add_option("--rate", options->load.rate, "Submissions a second of latency")->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))->capture_default_str();
    verb->add_option("--sleeps", options->load.sleeps, "Executions that sleep at a time")->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))->capture_default_str();
    verb->add_option("--plan-nodes", options->load.plan_nodes, "Nodes of plan")->check(some)->capture_default_str();
    verb->add_option("--chain", options->load.chain, "Nodes of chain")->check(some)->capture_default_str();
    verb->add_option("--items", options->load.items, "Items of fan-out")->check(some)->capture_default_str();
    verb->add_option("--schedules", options->load.schedules, "Schedules of firing, each of a job of its own: load-fires-0, ...")->check(some)->capture_default_str();
    verb->add_option("--resting", options->load.resting, "idle, firing: so many schedules beside, which are next due in years: load-rests-0, ...; they stay. Needs --database or --data")
        ->check(CLI::Range(std::size_t{0}, std::size_t{10'000'000}))->capture_default_str();
    verb->add_flag("--stored", options->load.stored, "submit, batch, sql, stream: due in a day, so that nothing is run meanwhile");
    verb->footer("It defines the jobs load-noop, load-sleep, load-call, load-event, load-fires-N and load-rests-N in the token's tenant; their executions stay in the history. `latency` needs a server that\n"
                 "may call 127.0.0.1 of this machine.\n"
                 "Examples:\n"
                 "  rowlock bench submit batch --connections 64\n"
                 "  rowlock bench --data ./data                              every scenario, with the costs in PostgreSQL\n"
                 "  rowlock bench sql sql-many --stored --data ./data\n"
                 "  rowlock bench idle firing --seconds 30 --schedules 1000 --resting 1000000 --data ./data\n"
                 "  rowlock bench drain --drain 300000 --format json");
    verb->callback([&c, options] { c.chosen = [&c, options] { return run_bench(c, *options); }; });
}

}
