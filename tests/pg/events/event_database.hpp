#pragma once

#include "storage/event_store.hpp"
#include "tests/pg/queue/queue_database.hpp"

#include <fmt/format.h>
#include <string>
#include <string_view>

namespace rowlock::test {

// A database with jobs that have triggers, and a session such as the intake of events has.
class event_database : public queue_database {
public:
    event_database() : events_({.url = url()}) {}

    storage::session& events() { return events_; }

    // A job with these triggers: members of set_triggers_1 beside id, kind, batch_ms and debounce_ms, which have defaults.
    queue_job triggered(std::string_view job_id, const std::vector<std::string>& triggers, tenant_key tenant = default_tenant)
    {
        std::string all;
        for (std::size_t i = 0; i < triggers.size(); ++i) {
            all += fmt::format(R"({}{{"id":"{}-{}","kind":2,"batch_ms":0,"debounce_ms":0,{}}})", i > 0 ? "," : "", job_id, i + 1, triggers[i]);
        }
        return job(job_id, {.tenant = tenant, .rules = fmt::format(R"({{"triggers":[{}]}})", all)});
    }

    // One event; its id.
    std::string emit(std::string_view source, std::string_view payload = "{}", std::string_view key = "")
    {
        return value(fmt::format("select emit('{}', '{}', nullif('{}', ''))", source, payload, key));
    }

    // Many events in one statement, whose payloads are their numbers from 1 on.
    void take(std::string_view source, int n)
    {
        storage::event_columns columns;
        for (int i = 1; i <= n; ++i) {
            columns.ids.add(execution_id::make(1'800'000'000'000, 99, static_cast<std::uint32_t>(i)));
            columns.tenants.add(std::int32_t{1});
            columns.sources.add(source);
            columns.payloads.add(std::string_view(std::to_string(i)));
            columns.origins.add(std::int16_t{1});
        }
        storage::take_events(events_, false, columns);
    }

    storage::flush_step flush(int rows = 1000) { return storage::flush_triggers(events_, 0, 100, rows); }

    // What the triggers did, "trigger:OUTCOME" by name and then in the order of the events.
    std::string decisions() { return value("select string_agg(trigger_id || ':' || outcome, ' ' order by trigger_id, event_id) from v_trigger_activations"); }
    std::string executions_of(std::string_view job_id) { return value(fmt::format("select count(*) from v_executions where job_id = '{}'", job_id)); }

private:
    storage::session events_;
};

}
