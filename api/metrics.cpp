#include "api/routes.hpp"

#include <cmath>
#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>
#include <sstream>

namespace rowlock::api {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using count = std::atomic<std::uint64_t>;

double value_of(const count& c)
{
    return static_cast<double>(c.load(std::memory_order_relaxed));
}

constexpr double microsecond = 1e-6;

// What an instance and its HTTP server count, in Prometheus' words. The counters are kept where they are made, in plain atomics; this
// puts names to them when somebody asks.
class collected final : public prometheus::Collectable {
public:
    collected(const runtime::counters& runtime, const runtime::catalog::dependency_figures& dependencies, std::span<const http_figures* const> http, const bounds& limits,
              runtime::pressure_report pressure, runtime::instance::readiness state)
        : runtime_(runtime), dependencies_(dependencies), http_(http), limits_(limits), pressure_(std::move(pressure)), state_(std::move(state))
    {
    }

    std::vector<MetricFamily> Collect() const override
    {
        std::vector<MetricFamily> all;
        collect_runtime(all);
        collect_dependencies(all);
        collect_pressure(all);
        collect_http(all);
        return all;
    }

private:
    static void counter(std::vector<MetricFamily>& all, const char* name, const char* help, double value)
    {
        all.push_back({name, help, MetricType::Counter, {counted(value)}});
    }

    static void gauge(std::vector<MetricFamily>& all, const char* name, const char* help, double value)
    {
        ClientMetric m;
        m.gauge.value = value;
        all.push_back({name, help, MetricType::Gauge, {std::move(m)}});
    }

    static ClientMetric counted(double value, std::vector<ClientMetric::Label> labels = {})
    {
        ClientMetric m;
        m.label = std::move(labels);
        m.counter.value = value;
        return m;
    }

    void collect_runtime(std::vector<MetricFamily>& all) const
    {
        const auto& r = runtime_;
        ClientMetric build;
        build.label = {{"version", ROWLOCK_VERSION}};
        build.gauge.value = 1;
        all.push_back({"rowlock_build_info", "The version of the server.", MetricType::Gauge, {std::move(build)}});
        gauge(all, "rowlock_ready", "1 while the instance is ready to take work.", state_.ready ? 1 : 0);
        gauge(all, "rowlock_drained", "1 while the instance starts nothing, as somebody has drained it.", state_.drained ? 1 : 0);
        counter(all, "rowlock_executions_submitted_total", "Executions that were committed.", value_of(r.submitted));
        counter(all, "rowlock_submit_batches_total", "Group commits of submissions.", value_of(r.submit_batches));
        counter(all, "rowlock_executions_replayed_total", "Submissions answered from an idempotency key.", value_of(r.replayed));
        counter(all, "rowlock_executions_claimed_total", "Executions claimed from the queue.", value_of(r.claimed));
        counter(all, "rowlock_claims_total", "Claim statements that got something.", value_of(r.claims));
        counter(all, "rowlock_executions_started_eagerly_total", "Executions that started with their submission.", value_of(r.started_eagerly));
        counter(all, "rowlock_settle_batches_total", "Group commits of outcomes.", value_of(r.settle_batches));
        MetricFamily ended{"rowlock_executions_ended_total", "Executions that have ended here, by status.", MetricType::Counter, {}};
        for (const auto status : {execution_status::completed, execution_status::failed, execution_status::timeout, execution_status::cancelled, execution_status::skipped}) {
            ended.metric.push_back(counted(value_of(r.ended[static_cast<std::size_t>(status)]), {{"status", std::string(to_string(status))}}));
        }
        all.push_back(std::move(ended));
        counter(all, "rowlock_outcomes_lost_total", "Outcomes that came too late: another instance owned the execution.", value_of(r.lost));
        counter(all, "rowlock_executions_taken_over_total", "Executions of dead instances that this one has ended.", value_of(r.taken_over));
        counter(all, "rowlock_executions_handed_back_total", "Executions given back to the queue.", value_of(r.handed_back));
        counter(all, "rowlock_retries_total", "Next attempts that were made.", value_of(r.retries));
        counter(all, "rowlock_events_total", "Events that were taken in.", value_of(r.events_taken));
        counter(all, "rowlock_events_repeated_total", "Events that had come in before: with an equal key, or signed as a call before.", value_of(r.events_repeated));
        counter(all, "rowlock_event_batches_total", "Group commits of events.", value_of(r.event_batches));
        counter(all, "rowlock_events_flushed_total", "Events that had waited for a window or for quiet, and were decided on.", value_of(r.events_flushed));
        counter(all, "rowlock_events_dropped_total", "Events that retention deleted.", value_of(r.events_dropped));
        counter(all, "rowlock_trigger_activations_total", "Executions that were made of events.", value_of(r.trigger_activations));
        counter(all, "rowlock_trigger_refusals_total", "Triggers that did not act on an event of their source.", value_of(r.trigger_refusals));
        counter(all, "rowlock_webhooks_refused_total", "Calls of webhooks that were unsigned, stale or repeated.", value_of(r.webhooks_refused));
        counter(all, "rowlock_notifications_dropped_total", "Notifications that were lost, as too many events waited.", value_of(r.notifications_dropped));
        counter(all, "rowlock_leases_lost_total", "Times that this instance was declared dead.", value_of(r.leases_lost));
        counter(all, "rowlock_statements_total", "Statements of the queue and its services.", value_of(r.statements));
        counter(all, "rowlock_policy_violations_total", "What was found here against a policy: refused, or let pass.", value_of(r.policy_violations));
        counter(all, "rowlock_budget_exceeded_total", "Of them: runs that had used up a budget.", value_of(r.budgets_exceeded));
        counter(all, "rowlock_dependency_timeouts_total", "Dependencies that have kept a job waiting for too long, recorded here in dependency_errors.", value_of(r.dependency_timeouts));
        counter(all, "rowlock_database_errors_total", "Statements that failed.", value_of(r.database_errors));
        MetricFamily dropped{"rowlock_retention_dropped_total", "What this instance has deleted because it had been kept for long enough, by kind.", MetricType::Counter, {}};
        const std::pair<const char*, const count&> kinds[] = {{"executions", r.executions_dropped}, {"days", r.days_dropped}, {"errors", r.errors_dropped},
                                                              {"dead_letters", r.dead_letters_dropped}, {"logs", r.logs_dropped}, {"checkpoints", r.checkpoints_dropped},
                                                              {"plan_runs", r.plan_runs_dropped}, {"run_directories", r.run_directories_dropped}, {"ticks", r.ticks_dropped}};
        for (const auto& [kind, n] : kinds) dropped.metric.push_back(counted(value_of(n), {{"kind", kind}}));
        all.push_back(std::move(dropped));
        MetricFamily ticks{"rowlock_schedule_ticks_total", "Times of schedules that this instance has decided, by what became of them.", MetricType::Counter, {}};
        const std::pair<const char*, const count&> outcomes[] = {{"fired", r.ticks_fired}, {"caught_up", r.ticks_caught_up}, {"skipped", r.ticks_skipped}};
        for (const auto& [outcome, n] : outcomes) ticks.metric.push_back(counted(value_of(n), {{"outcome", outcome}}));
        all.push_back(std::move(ticks));
        counter(all, "rowlock_scheduling_errors_total", "Schedules and execution windows that could not be evaluated when this instance looked.", value_of(r.scheduling_errors));
        gauge(all, "rowlock_invalid_schedules", "Schedules that cannot be evaluated.", static_cast<double>(r.invalid_schedules.load(std::memory_order_relaxed)));
        gauge(all, "rowlock_executions_running", "Executions that run here.", static_cast<double>(r.running.load(std::memory_order_relaxed)));
        gauge(all, "rowlock_submissions_waiting", "Submissions that wait for their commit.", static_cast<double>(r.waiting_for_commit.load(std::memory_order_relaxed)));
        counter(all, "rowlock_run_seconds_total", "Time between started and returned, summed.", value_of(r.run_us) * microsecond);
    }

    void collect_dependencies(std::vector<MetricFamily>& all) const
    {
        const double cycles = value_of(dependencies_.cycles);
        counter(all, "rowlock_cycle_detections_total", "Definitions that were refused because they close a cycle.", cycles);
        all.push_back({"rowlock_dependency_errors_total", "What was wrong with dependencies when definitions were put here, by the error_type of dependency_errors.", MetricType::Counter,
                       {counted(cycles, {{"error_type", "CYCLE_DETECTED"}}), counted(value_of(dependencies_.missing), {{"error_type", "MISSING_UPSTREAM"}})}});
    }

    void collect_pressure(std::vector<MetricFamily>& all) const
    {
        constexpr const char* events_help = "Times that this instance became short of a resource.";
        constexpr const char* queued_help = "Executions that are queued while this instance starts nothing, as it is short of something; else 0.";
        MetricFamily usage{"rowlock_resource_usage_ratio", "How much of a resource is used, as at the last look; of those that are watched.", MetricType::Gauge, {}};
        MetricFamily pressed{"rowlock_resource_pressure", "1 while this instance is short of the resource.", MetricType::Gauge, {}};
        MetricFamily events{"rowlock_resource_exhaustion_events_total", events_help, MetricType::Counter, {}};
        const auto set = [](MetricFamily& family, std::string label, std::string_view value, double n) {
            ClientMetric m;
            m.label = {{std::move(label), std::string(value)}};
            m.gauge.value = n;
            family.metric.push_back(std::move(m));
        };
        for (const auto& each : pressure_.watched) {
            const auto name = runtime::to_string(each.what);
            if (each.last.usage) set(usage, "resource", name, *each.last.usage / 100);
            set(pressed, "resource", name, each.pressed ? 1 : 0);
            events.metric.push_back(counted(value_of(runtime_.pressure_events[static_cast<std::size_t>(each.what)]), {{"resource", std::string(name)}}));
        }
        MetricFamily actions{"rowlock_pressure_action", "1 while this instance does it, as it is short of something.", MetricType::Gauge, {}};
        for (const auto a : runtime::all_pressure_actions) set(actions, "action", runtime::to_string(a), pressure_.actions.has(a) ? 1 : 0);
        // Under 004's name too.
        MetricFamily same{"phi_resource_exhaustion_events", events_help, MetricType::Counter, events.metric};
        for (auto* family : {&usage, &pressed, &events, &actions, &same}) {
            if (!family->metric.empty()) all.push_back(std::move(*family));
        }
        const auto queued = static_cast<double>(runtime_.queued_under_pressure.load(std::memory_order_relaxed));
        gauge(all, "rowlock_queued_for_resources", queued_help, queued);
        gauge(all, "phi_queued_for_resources", queued_help, queued);
        counter(all, "rowlock_submissions_refused_under_pressure_total", "Executions that were not taken in, as their priority was too low while this instance was short of something.",
                value_of(runtime_.refused_under_pressure));
    }

    template <class Get>
    double sum(Get get) const
    {
        double total = 0;
        for (const auto* core : http_) total += static_cast<double>(get(*core).load(std::memory_order_relaxed));
        return total;
    }

    void collect_http(std::vector<MetricFamily>& all) const
    {
        all.push_back(requests());
        all.push_back(durations());
        gauge(all, "rowlock_http_connections", "Open connections.", sum([](const http_figures& f) -> auto& { return f.connections; }));
        gauge(all, "rowlock_http_requests_waiting", "Requests that are held until a run ends.", sum([](const http_figures& f) -> auto& { return f.waiting; }));
        gauge(all, "rowlock_streams", "Open WebSockets of /v1/stream; each is a connection too.", sum([](const http_figures& f) -> auto& { return f.streams; }));
        counter(all, "rowlock_stream_frames_received_total", "WebSocket frames from clients.", sum([](const http_figures& f) -> auto& { return f.stream_frames_received; }));
        gauge(all, "rowlock_http_body_memory_bytes", "Memory of bodies and what is parsed of them, of at most MAX_BODY_MEMORY_BYTES.",
              static_cast<double>(limits_.body_memory.taken()));
        gauge(all, "rowlock_http_streams", "Followed logs and WebSockets, of at most MAX_STREAMS.", static_cast<double>(limits_.streams.taken()));
        counter(all, "rowlock_stream_events_total", "Changes that were told to subscribers.", sum([](const http_figures& f) -> auto& { return f.stream_events; }));
        counter(all, "rowlock_streams_cut_off_total", "WebSockets that were closed because they were read too slowly.", sum([](const http_figures& f) -> auto& { return f.streams_cut_off; }));
        counter(all, "rowlock_http_connections_accepted_total", "Connections that were accepted.", sum([](const http_figures& f) -> auto& { return f.connections_accepted; }));
        counter(all, "rowlock_http_connections_refused_total", "Connections beyond the limit.", sum([](const http_figures& f) -> auto& { return f.connections_refused; }));
    }

    MetricFamily requests() const
    {
        MetricFamily family{"rowlock_http_requests_total", "Requests answered, by route and class of status.", MetricType::Counter, {}};
        const auto add = [&](std::size_t at, std::string_view verb, std::string_view pattern) {
            for (std::size_t c = 0; c < http_figures::status_classes; ++c) {
                const double n = sum([at, c](const http_figures& f) -> auto& { return f.requests[at][c]; });
                if (n == 0) continue;
                family.metric.push_back(counted(n, {{"method", std::string(verb)}, {"route", std::string(pattern)}, {"status", std::to_string(c + 1) + "xx"}}));
            }
        };
        const auto routes = all_routes();
        for (std::size_t i = 0; i < routes.size(); ++i) add(i, to_string(routes[i].verb), routes[i].pattern);
        add(http_figures::most_routes - 1, "", "none");
        return family;
    }

    MetricFamily durations() const
    {
        ClientMetric m;
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i <= http_figures::bounds_us.size(); ++i) {
            seen += static_cast<std::uint64_t>(sum([i](const http_figures& f) -> auto& { return f.durations[i]; }));
            const double bound = i < http_figures::bounds_us.size() ? http_figures::bounds_us[i] * microsecond : INFINITY;
            m.histogram.bucket.push_back({seen, bound});
        }
        m.histogram.sample_count = seen;
        m.histogram.sample_sum = sum([](const http_figures& f) -> auto& { return f.duration_sum_us; }) * microsecond;
        return {"rowlock_http_request_seconds", "Time to answer a request, without those that wait on purpose.", MetricType::Histogram, {std::move(m)}};
    }

    const runtime::counters& runtime_;
    const runtime::catalog::dependency_figures& dependencies_;
    std::span<const http_figures* const> http_;
    const bounds& limits_;
    runtime::pressure_report pressure_;
    runtime::instance::readiness state_;
};

}

// GET /metrics: 200, the text format of Prometheus.
runtime::awaitable<response> metrics(request_context& rq)
{
    const collected all(rq.app.instance.figures(), rq.app.instance.jobs().figures(), rq.app.all_figures, rq.app.limits, rq.app.instance.pressure(),
                        rq.app.instance.ready());
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, all.Collect());
    auto answer = rq.reply(200, "text/plain; version=0.0.4; charset=utf-8");
    answer.body = std::move(text).str();
    co_return answer;
}

}
