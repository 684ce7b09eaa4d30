#include "tests/support/module_server.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace rowlock::test {

namespace json = boost::json;

namespace {

constexpr int expected = 100;
constexpr int last_step = 3;

stub_reply with(const json::value& body, int status = 200)
{
    return {.status = status, .body = json::serialize(body)};
}

}

module_server::module_server() : server_([this](const stub_request& request) { return answer(request); }) {}

std::vector<stub_request> module_server::requests(const std::string& method, const std::string& path) const
{
    std::vector<stub_request> out;
    for (const auto& each : server_.requests()) {
        if (each.method == method && each.target.starts_with(path)) out.push_back(each);
    }
    return out;
}

int module_server::step_of(const std::string& job)
{
    const std::lock_guard lock(mutex_);
    return std::min(++steps_[job], last_step);
}

stub_reply module_server::answer(const stub_request& request)
{
    if (request.target.starts_with("/v1/ingestion-jobs")) return alpha(request);
    if (request.target.starts_with("/v1/output-jobs")) return gamma(request);
    if (request.target.starts_with("/v1/caches")) return {.status = epsilon_status};
    if (request.target.starts_with("/v1/transformation-jobs")) return {.status = 202};
    return {.status = 404};
}

stub_reply module_server::alpha(const stub_request& request)
{
    if (request.method == "POST") return with({{"ingestion_job_id", "in-" + std::to_string(++made_)}}, 202);
    const int step = step_of(request.target);
    if (alpha_fails) return with({{"phase", "FAILED"}, {"error_code", "SOURCE_NOT_FOUND"}, {"error_message", "there is no bucket landing"}, {"errors", {{{"row", 0}}}}});
    const int done = expected * step / last_step;
    return with({{"phase", step == last_step ? "LOADED" : "LOADING"},
                 {"records_expected", expected},
                 {"records_ingested", done},
                 {"records_processed", done},
                 {"validation", {{"passed", alpha_validates.load()}, {"checked", done}}},
                 {"errors", json::array()}});
}

stub_reply module_server::gamma(const stub_request& request)
{
    if (request.target.ends_with("/cancel")) {
        const std::lock_guard lock(mutex_);
        cancelled_[request.target.substr(0, request.target.rfind('/'))] = true;
        return {.status = 202};
    }
    if (request.method == "POST") {
        const auto id = "out-" + std::to_string(++made_);
        auto reply = with({{"output_job_id", id}}, 202);
        reply.location = "/v1/output-jobs/" + id;
        return reply;
    }
    {
        const std::lock_guard lock(mutex_);
        if (cancelled_[request.target]) return with({{"status", "CANCELLED"}});
    }
    if (gamma_busy > 0) {
        --gamma_busy;
        return {.status = 429, .retry_after = "1"};
    }
    const int step = gamma_stands_still ? 1 : step_of(request.target);
    const json::object delivery{{"total", expected}, {"acknowledged", expected * step / last_step}};
    if (step < last_step) return with({{"status", "RUNNING"}, {"delivery", delivery}});
    if (gamma_refusals > 0) {
        --gamma_refusals;
        return with({{"status", "FAILED"}, {"error_code", "CONNECTION_RESET"}, {"error_message", "the destination hung up"}, {"delivery", delivery}});
    }
    return with({{"status", "COMPLETED"}, {"delivery", delivery}, {"records_processed", expected}});
}

}
