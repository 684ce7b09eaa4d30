#include "tests/support/server_process.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <sstream>
#include <stdexcept>

namespace rowlock::test {

namespace json = boost::json;

namespace {

std::optional<std::string> listening_address(const std::string& told)
{
    constexpr std::string_view before = "listening on http://";
    const auto from = told.find(before);
    const auto end = told.find('\n', from == std::string::npos ? 0 : from);
    if (from == std::string::npos || end == std::string::npos) return std::nullopt;
    return told.substr(from + before.size(), end - from - before.size());
}

json::value accepted(const http_reply& reply, const std::string& what)
{
    if (reply.status < 200 || reply.status > 299) throw std::runtime_error(what + " was answered " + std::to_string(reply.status) + ": " + reply.body);
    return reply.json();
}

}

server_process::server_process(std::vector<std::string> arguments, environment_map environment)
{
    if (std::find(arguments.begin(), arguments.end(), "--listen") == arguments.end()) arguments.insert(arguments.end(), {"--listen", "127.0.0.1:0"});
    process_ = std::make_unique<program>(std::move(arguments), std::move(environment));
    eventually("the server listens", [this] {
        const auto found = listening_address(process_->out());
        if (found) address_ = *found;
        else if (process_->wait(std::chrono::milliseconds(0))) throw std::runtime_error("the server ended instead of listening: " + process_->told());
        return found.has_value();
    });
}

int server_process::terminate()
{
    process_->signal(SIGTERM);
    const auto code = process_->wait();
    if (!code) throw std::runtime_error("the server does not end after SIGTERM: " + process_->told());
    return *code;
}

void server_process::kill_hard()
{
    process_->signal(SIGKILL);
    process_->wait();
}

http_reply server_process::get(std::string_view target, const http_fields& fields) const
{
    auto all = always;
    all.insert(all.end(), fields.begin(), fields.end());
    return http_request(address_, "GET", target, {}, all);
}

http_reply server_process::post(std::string_view target, const json::value& body, const http_fields& fields) const
{
    auto all = always;
    all.insert(all.end(), fields.begin(), fields.end());
    return http_request(address_, "POST", target, json::serialize(body), all);
}

http_reply server_process::put(std::string_view target, const json::value& body, const http_fields& fields) const
{
    auto all = always;
    all.insert(all.end(), fields.begin(), fields.end());
    return http_request(address_, "PUT", target, json::serialize(body), all);
}

double server_process::metric(const std::string& name) const
{
    std::istringstream lines(get("/metrics").body);
    std::optional<double> sum;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(name + ' ') || line.starts_with(name + '{')) sum = sum.value_or(0) + std::stod(line.substr(line.rfind(' ') + 1));
    }
    if (!sum) throw std::runtime_error("there is no metric " + name);
    return *sum;
}

void server_process::define(const std::string& job_id, const json::value& handler, const json::object& more) const
{
    json::object body = more;
    body["handler"] = handler;
    accepted(put("/v1/jobs/" + job_id, body), "PUT of " + job_id);
}

std::string server_process::submit(const std::string& job_id, const json::object& parameters) const
{
    const auto reply = accepted(post("/v1/executions", json::object{{"job_id", job_id}, {"parameters", parameters}}), "the submission of " + job_id);
    return text_at(reply, "/execution_id");
}

json::value server_process::ended(const std::string& execution_id) const
{
    const auto until = std::chrono::steady_clock::now() + patience;
    for (;;) {
        auto reply = accepted(get("/v1/executions/" + execution_id + "/wait?timeout_seconds=50"), "the wait for " + execution_id);
        if (!reply.at("result").is_null()) return reply;
        if (std::chrono::steady_clock::now() >= until) throw std::runtime_error("the run has not ended: " + json::serialize(reply));
    }
}

json::value server_process::execution(const std::string& execution_id) const
{
    return accepted(get("/v1/executions/" + execution_id), "GET of " + execution_id);
}

std::string server_process::status_of(const std::string& execution_id) const
{
    return text_at(execution(execution_id), "/status");
}

void server_process::await_status(const std::string& execution_id, const std::string& status) const
{
    eventually(execution_id + " is " + status, [&] { return status_of(execution_id) == status; });
}

std::string make_admin_token(const std::string& database_url)
{
    const auto made = run_rowlock({"token", "create", "--database", database_url, "--role", "admin", "--name", "first"});
    const auto token = made.out.substr(0, made.out.find('\n'));
    if (made.code != 0 || token.empty()) throw std::runtime_error("no token was made: " + made.err);
    return token;
}

environment_map any_program()
{
    return {{"ROWLOCK_PROCESS_HANDLER_ENABLED", "true"}, {"ROWLOCK_PROCESS_ALLOWED_PROGRAMS", "*"}};
}

namespace {

struct shared_server {
    test_database database;
    server_process server{{"serve", "--auth", "none", "--database", database.url(), "--executor-parallelism", "40"}, any_program()};
};

shared_server& shared()
{
    private_postgres::of_this_run();
    static shared_server one;
    return one;
}

}

server_process& open_server() { return shared().server; }

const std::string& open_server_database() { return shared().database.url(); }

std::string text_at(const json::value& from, std::string_view pointer)
{
    const auto& found = from.at_pointer({pointer.data(), pointer.size()});
    return found.is_string() ? std::string(found.get_string()) : json::serialize(found);
}

}
