#include "api/routes.hpp"
#include "storage/instance_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

// GET /healthz: 200 as long as the process answers at all.
runtime::awaitable<response> alive(request_context& rq)
{
    auto answer = rq.reply(200);
    answer.body.append("{\"status\":\"ok\"}");
    co_return answer;
}

// GET /readyz: 200; 503 while a load balancer should send nothing here. Asks nobody: what the services have found out lately.
runtime::awaitable<response> ready(request_context& rq)
{
    const auto state = rq.app.instance.ready();
    if (rq.stopping() || rq.app.instance.stopping()) co_return rq.refuse({errc::stopping, "The server is stopping.", {}, std::chrono::seconds{5}});
    if (state.drained) co_return rq.refuse({errc::stopping, "Draining: " + state.why + ".", {}, std::chrono::seconds{5}});
    if (!state.ready) co_return rq.refuse({errc::database_unavailable, "Not ready: " + state.why, {}, std::chrono::seconds{1}});
    auto answer = rq.reply(200);
    answer.body.append("{\"status\":\"ready\"}");
    co_return answer;
}

namespace {

constexpr double error_rate_degraded = 0.1;

struct service_states {
    const char* overall;
    const char* scheduler;
    const char* executor;
    const char* resolver;
};

service_states states_of(const runtime::instance::readiness& state, bool database, const storage::health_figures& figures, const runtime::pressure_report& pressure)
{
    using enum runtime::pressure_action;
    if (!database) return {"UNHEALTHY", "UNHEALTHY", "UNHEALTHY", "UNHEALTHY"};
    if (state.drained) return {"DEGRADED", "DEGRADED", "DEGRADED", "DEGRADED"};
    if (!state.ready) return {"UNHEALTHY", "DEGRADED", "DEGRADED", "DEGRADED"};
    const bool degraded = pressure.any() || figures.error_rate_1h > error_rate_degraded;
    return {degraded ? "DEGRADED" : "HEALTHY", pressure.actions.has(pause_scheduling) ? "DEGRADED" : "HEALTHY", pressure.actions.has(queue_all) ? "DEGRADED" : "HEALTHY", "HEALTHY"};
}

void append_figures(std::string& out, const service_states& states, const storage::health_figures& f, bool known, const runtime::pressure_report& pressure, std::string_view why)
{
    fmt::format_to(std::back_inserter(out), R"({{"overall_status":"{}","scheduler_status":"{}","executor_status":"{}","dependency_resolver_status":"{}")",
                   states.overall, states.scheduler, states.executor, states.resolver);
    if (known) {
        fmt::format_to(std::back_inserter(out), R"(,"active_executions":{},"queued_jobs":{},"pending_jobs":{},"error_rate_1h":)", f.active_executions,
                       f.queued_jobs, f.pending_jobs);
        append_number(out, f.error_rate_1h);
        out.append(",\"success_rate_24h\":");
        append_number(out, f.success_rate_24h);
    } else {
        out.append(R"(,"active_executions":null,"queued_jobs":null,"pending_jobs":null,"error_rate_1h":null,"success_rate_24h":null)");
    }
    out.append(",\"pressure\":");
    append_text(out, runtime::health_json(pressure));
    out.append(",\"detail\":");
    if (why.empty()) {
        out.append("null");
    } else {
        append_string(out, why);
    }
    out.push_back('}');
}

}

// GET /v1/health: 004's OrchestrationHealthStatus. 200 also where it says UNHEALTHY: it is the answer to the question that was asked.
runtime::awaitable<response> health(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto state = rq.app.instance.ready();
    auto figures = co_await rq.app.instance.db().read([](storage::session& s) -> result<storage::health_figures> { return storage::read_health(s); });
    auto answer = rq.reply(200);
    const auto known = figures ? *figures : storage::health_figures{};
    const auto pressure = rq.app.instance.pressure();
    std::string why = figures ? state.why : figures.error().detail;
    if (why.empty() && pressure.any()) why = fmt::format("This instance is short of something: {}. Until that is over it does this: {}.", words_of(pressure), words_of(pressure.actions));
    append_figures(answer.body, states_of(state, figures.has_value(), known, pressure), known, figures.has_value(), pressure, why);
    co_return answer;
}

}
