#include "ops/doctor/doctor.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"
#include "storage/model/json_text.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <ctime>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t most_instances = 1000;

struct doctor_options {
    std::string database;
    bool invariants = false;
};

// A token helps only where one is missing or not valid: one with too small a role, or a server in trouble, needs something else.
std::string remedy_of(int status, const char* otherwise)
{
    if (status == 401) return "Give a token with --token or ROWLOCK_TOKEN";
    if (status == 403) return "Use a token whose role may read, viewer or more, and whose tenant is the one that you name";
    return otherwise;
}

// Asks one route for its status; the body of a 200 in `body`.
finding check_route(context& c, const char* path, const char* check, const char* good, const char* remedy, std::string* body = nullptr)
{
    const auto reply = c.api().probe(target(path));
    if (!reply) return {severity::problem, check, reply.error().detail.empty() ? reply.error().title : reply.error().detail, "Start the server, or correct --url"};
    if (reply->status != 200) {
        const refusal why = refusal_of_reply(reply->status, reply->content_type, reply->body, reply->retry_after);
        return {severity::problem, check, why.detail.empty() ? why.title : fmt::format("{}: {}", why.title, why.detail), remedy_of(reply->status, remedy)};
    }
    if (body) *body = reply->body;
    return {severity::fine, check, good, ""};
}

// Instances of several versions at one database are meant to be so only while a new version is being rolled out.
void check_versions(context& c, std::vector<finding>& found)
{
    const auto instances = c.api().list(target("/v1/instances"), most_instances);
    if (!instances) {
        found.push_back({severity::problem, "server.instances", instances.error().title, "Look at the server's log"});
        return;
    }
    const json::array& items = *array_at(*instances, "items");
    const auto other = std::find_if(items.begin(), items.end(), [](const json::value& one) {
        const std::string version = text_at(one, "version");
        return !version.empty() && version != ROWLOCK_VERSION;
    });
    if (other == items.end()) {
        found.push_back({severity::fine, "server.version", fmt::format("{}, {}", ROWLOCK_VERSION, counted(items.size(), "instance"))});
        return;
    }
    found.push_back({severity::warning, "server.version", fmt::format("instance {} is {}, this program {}", text_at(*other, "instance_id"), text_at(*other, "version"), ROWLOCK_VERSION),
                     "Use the same version everywhere"});
}

// By the Date of its answers, which says whole seconds and may be one old.
void check_server_clock(context& c, std::vector<finding>& found)
{
    constexpr std::chrono::seconds tolerable{4};
    const auto before = std::chrono::system_clock::now();
    const auto reply = c.api().probe(target("/healthz"));
    const auto after = std::chrono::system_clock::now();
    std::tm parts{};
    if (!reply || ::strptime(reply->date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) return;
    const auto there = std::chrono::system_clock::from_time_t(::timegm(&parts));
    const auto apart = std::chrono::floor<std::chrono::seconds>(std::max(there - after, before - there));
    if (apart <= tolerable) {
        found.push_back({severity::fine, "server.clock", "agrees with this machine's"});
    } else {
        found.push_back({severity::warning, "server.clock", fmt::format("{} s apart from this machine's", apart.count()), "Synchronise both with NTP"});
    }
}

std::vector<finding> check_server(context& c)
{
    std::vector<finding> found;
    found.push_back(check_route(c, "/healthz", "server.alive", "the server answers", "Look at the server's log"));
    if (found.back().level != severity::fine) return found;
    found.push_back(check_route(c, "/readyz", "server.ready", "it takes work", "Look at its log: the database is away, migrations are missing, or it is stopping"));
    check_server_clock(c, found);
    std::string body;
    found.push_back(check_route(c, "/v1/health", "server.health", "it reports its health", "Look at the server's log", &body));
    if (found.back().level != severity::fine) return found;
    const auto health = parse_json(body);
    if (!health) {
        found.back() = {severity::problem, "server.health", "/v1/health does not answer in JSON", "Is --url the address of Rowlock?"};
        return found;
    }
    const std::string status = text_at(*health, "overall_status");
    const std::string detail = text_at(*health, "detail");
    if (status != "HEALTHY") {
        const severity level = status == "DEGRADED" ? severity::warning : severity::problem;
        found.back() = {level, "server.health", fmt::format("it calls itself {}{}{}", status.empty() ? "nothing" : status, detail.empty() ? "" : ": ", detail),
                        "Look at `rowlock execution list --status FAILED` and at the server's log"};
    }
    check_versions(c, found);
    return found;
}

colour colour_of(severity level)
{
    switch (level) {
    case severity::fine: return colour::green;
    case severity::warning: return colour::yellow;
    case severity::problem: return colour::red;
    }
    return colour::none;
}

json::value document_of(const std::vector<finding>& found, bool healthy)
{
    json::array items;
    for (const finding& one : found) {
        items.push_back(json::object{{"severity", to_string(one.level)}, {"check", one.check}, {"detail", one.detail}, {"remedy", one.remedy}});
    }
    return json::object{{"healthy", healthy}, {"findings", std::move(items)}};
}

exit_code examine(context& c, const doctor_options& options, bool ask_server)
{
    if (options.invariants && options.database.empty()) return c.fail(bad_input("--invariants: needs --database, as they are checked in the database"));
    std::vector<finding> found;
    if (ask_server) found = check_server(c);
    if (!options.database.empty()) {
        const auto of_database = check_database(options.database);
        found.insert(found.end(), of_database.begin(), of_database.end());
        if (options.invariants) {
            const auto of_invariants = check_invariants(options.database);
            found.insert(found.end(), of_invariants.begin(), of_invariants.end());
        }
    }
    const bool healthy = std::none_of(found.begin(), found.end(), [](const finding& one) { return one.level == severity::problem; });
    if (c.screen.human()) {
        // Remedies are sentences that somebody is to follow: they stand on lines of their own, and are never cut.
        for (const finding& one : found) {
            const std::string level = fmt::format("{:<8}", to_string(one.level));
            c.screen.raw(fmt::format("{}{}: {}\n", paint(level, colour_of(one.level), c.screen.style().out_colour), one.check, printable(one.detail)));
            if (!one.remedy.empty()) c.screen.raw(fmt::format("        {}\n", printable(one.remedy)));
        }
    } else {
        c.screen.document(document_of(found, healthy));
    }
    return healthy ? exit_code::success : exit_code::execution_failed;
}

}

void add_doctor(CLI::App& app, context& c)
{
    CLI::App* verb = app.add_subcommand("doctor", "Examine the server and, with --database, the database; exit code 1 if there is a problem");
    verb->group("Operating");
    const auto options = std::make_shared<doctor_options>();
    verb->add_option("--database", options->database, "Also examine this database: postgresql://... (without --url: only the database)");
    verb->add_flag("--invariants", options->invariants, "Also check that the rows agree with each other; reads every table");
    verb->footer("Examples:\n"
                 "  rowlock doctor\n"
                 "  rowlock doctor --database postgresql:///rowlock --invariants\n"
                 "  rowlock doctor --url http://10.0.0.7:7575 --format json");
    const CLI::Option* url = app.get_option("--url");
    verb->callback([&c, options, url] {
        const bool ask_server = options->database.empty() || url->count() > 0;
        c.chosen = [&c, options, ask_server] { return examine(c, *options, ask_server); };
    });
}

}
