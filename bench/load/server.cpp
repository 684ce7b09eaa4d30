#include "bench/load/server.hpp"

#include "bench/load/http_connection.hpp"
#include "bench/load/run_all.hpp"
#include "bench/load/usage.hpp"
#include "bench/load/database_counters.hpp"
#include "storage/model/json_text.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace rowlock::bench {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::ip::tcp;

namespace {

constexpr std::chrono::seconds longest_call{60};

// Of the addresses of a name, the first one that answers.
tcp::endpoint endpoint_of(const place& where)
{
    asio::io_context context;
    tcp::socket trial(context);
    return asio::connect(trial, tcp::resolver(context).resolve(where.host, where.port));
}

std::string own_hostname()
{
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string first_line(const std::filesystem::path& file)
{
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

// Of a metric over its labels, in the text that /metrics answers with; nullopt where it is not there.
std::optional<double> sum_of(std::string_view metrics, std::string_view name)
{
    std::optional<double> sum;
    for (std::string_view rest = metrics; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        if (!line.starts_with(name) || line.size() == name.size() || (line[name.size()] != ' ' && line[name.size()] != '{')) continue;
        const std::string_view figure = line.substr(line.rfind(' ') + 1);
        double value = 0;
        std::from_chars(figure.data(), figure.data() + figure.size(), value);
        sum = sum.value_or(0) + value;
    }
    return sum;
}

runtime::awaitable<void> call(http_connection& over, const std::string& request, std::string& body, int& status)
{
    co_await over.connect();
    const reply answer = co_await over.exchange(request);
    status = answer.status;
    body = answer.body;
}

}

struct server::state {
    server_options options;
    std::vector<tcp::endpoint> endpoints{};
    std::optional<pid_t> postmaster{};
    std::optional<database_counters> database{};
};

server::server(server_options options) : state_(std::make_unique<state>())
{
    if (options.database.empty() && !options.data.empty()) options.database = first_line(options.data / "database_url");
    if (!options.data.empty()) state_->postmaster = postmaster_in(options.data);
    if (!options.database.empty()) state_->database.emplace(options.database);
    for (const place& each : options.instances) state_->endpoints.push_back(endpoint_of(each));
    state_->options = std::move(options);
    auto& pids = state_->options.pids;
    if (!pids.empty()) return;
    // Processes of other machines are none of this one's; the latest that live are those that were started for this.
    const std::string here = own_hostname();
    const json::value instances = get("/v1/instances");
    for (const json::value& one : instances.at("items").as_array()) {
        if (pids.size() == state_->endpoints.size()) break;
        const auto* hostname = one.at("hostname").if_string();
        if (one.at("state").as_string() == "ALIVE" && hostname && *hostname == here) pids.push_back(static_cast<pid_t>(one.at("pid").to_number<std::int64_t>()));
    }
}

server::~server() = default;

std::string server::request(std::string_view method, std::string_view target, std::string_view body) const
{
    std::string bytes = fmt::format("{} {} HTTP/1.1\r\nHost: rowlock\r\n{}", method, target, credentials());
    if (!body.empty()) bytes += "Content-Type: application/json\r\n";
    if (method != "GET") bytes += fmt::format("Content-Length: {}\r\n", body.size());
    bytes += "\r\n";
    bytes += body;
    return bytes;
}

const std::string& server::credentials() const
{
    return state_->options.credentials;
}

const std::string& server::database_url() const
{
    return state_->options.database;
}

const std::string& server::tenant() const
{
    return state_->options.tenant;
}

const tcp::endpoint& server::endpoint(std::size_t connection) const
{
    return state_->endpoints[connection % state_->endpoints.size()];
}

// A connection for each call: the server closes those that are silent for long.
std::string server::text(const std::string& bytes, int& status, std::size_t instance)
{
    std::string body;
    asio::io_context context;
    http_connection connection(context, endpoint(instance));
    run_all all(context);
    all.add(call(connection, bytes, body, status));
    all.run(longest_call);
    return body;
}

void server::define(std::string_view job_id, std::string_view handler, std::string_view more)
{
    int status = 0;
    const std::string body = text(request("PUT", fmt::format("/v1/jobs/{}", job_id), fmt::format(R"({{"handler": {}, "reason": "load"{}}})", handler, more)), status);
    if (status != 200 && status != 201) throw refused(fmt::format("the job {} could not be defined", job_id), status, body);
}

json::value server::get(const std::string& target)
{
    int status = 0;
    const std::string body = text(request("GET", target), status);
    if (status != 200) throw refused(fmt::format("GET {} was refused", target), status, body);
    auto value = parse_json(body);
    if (!value) throw std::runtime_error(fmt::format("GET {} was not answered with JSON: {}", target, value.error().detail));
    return std::move(*value);
}

double server::metric(std::string_view name)
{
    double sum = 0;
    for (std::size_t instance = 0; instance < state_->endpoints.size(); ++instance) {
        int status = 0;
        const std::string body = text(request("GET", "/metrics"), status, instance);
        if (status != 200) throw refused("GET /metrics was refused", status, body);
        const auto figure = sum_of(body, name);
        if (!figure) throw std::runtime_error(fmt::format("GET /metrics does not say {}", name));
        sum += *figure;
    }
    return sum;
}

void server::wait_until(std::string_view name, double count, std::chrono::seconds limit, std::chrono::milliseconds between_looks, const std::function<void(double)>& seen)
{
    auto until = std::chrono::steady_clock::now() + limit;
    double before = metric(name);
    for (double now = before; now < count; now = metric(name)) {
        if (seen) seen(now);
        if (now > before) until = std::chrono::steady_clock::now() + limit;
        if (std::chrono::steady_clock::now() > until) throw std::runtime_error(fmt::format("{} has not risen for {} s, and is {:.0f} short", name, limit.count(), count - now));
        before = now;
        std::this_thread::sleep_for(between_looks);
    }
}

snapshot server::look()
{
    snapshot now{std::chrono::steady_clock::now(), own_cpu()};
    for (const pid_t pid : state_->options.pids) {
        if (const auto cpu = cpu_of(pid)) now.server = now.server.value_or(std::chrono::microseconds{}) + *cpu;
    }
    if (state_->postmaster) now.postgres = cpu_of_cluster(*state_->postmaster);
    if (state_->database) {
        now.wal_bytes = state_->database->position();
        now.transactions = state_->database->transactions();
    }
    return now;
}

std::optional<double> server::rss_mb() const
{
    std::optional<std::size_t> most;
    for (const pid_t pid : state_->options.pids) {
        if (const auto bytes = rss_of(pid)) most = std::max(most.value_or(0), *bytes);
    }
    if (!most) return std::nullopt;
    return static_cast<double>(*most) / 1e6;
}

void add_usage(outcome& to, const snapshot& before, const snapshot& after, double jobs)
{
    if (jobs <= 0) return;
    const auto of_each = [jobs](auto then, auto now) -> std::optional<double> {
        if (!then || !now) return std::nullopt;
        return static_cast<double>((*now - *then).count()) / jobs;
    };
    to.add("server us/job", of_each(before.server, after.server));
    to.add("postgres us/job", of_each(before.postgres, after.postgres));
    to.add("load us/job", of_each(std::optional(before.own), std::optional(after.own)));
    if (before.wal_bytes && after.wal_bytes) to.add("WAL bytes/job", (*after.wal_bytes - *before.wal_bytes) / jobs);
}

}
