#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/principal.hpp"
#include "storage/model/time.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>

namespace rowlock::storage {

// Schedules as they are read, paused and resumed. They come and go with the definitions of their jobs.

// By schedule_id. `cursor` is the last one of the page before, "" at first.
page list_schedules_json(session& s, tenant_key tenant, int limit, const std::string& cursor);
std::optional<std::string> find_schedule_json(session& s, tenant_key tenant, const std::string& schedule_id);

// What became of its ticks, the latest decided first. `cursor` is the tick_time of the last one of the page before, "" at first; nullopt: it is none.
std::optional<page> list_schedule_ticks_json(session& s, tenant_key tenant, const std::string& schedule_id, int limit, const std::string& cursor);

// What is needed to compute its ticks.
struct stored_schedule {
    std::string job_id;
    std::string spec;                                // its JSON
    timestamp registered_at;
    timestamp decided_to;
    timestamp now;                                   // by the database's clock
    bool fires = false;                              // it is neither paused nor disabled
};
std::optional<stored_schedule> find_schedule(session& s, tenant_key tenant, const std::string& schedule_id);
// The same of the schedule of a job.
std::optional<stored_schedule> find_schedule_of_job(session& s, tenant_key tenant, const std::string& job_id);

// False: there is no such schedule.
bool set_paused(session& s, const principal& who, const std::string& schedule_id, bool paused, const std::string& reason);

// RUN and BACKFILL.
void note_schedule_action(session& s, const principal& who, const std::string& job_id, const std::string& action, const std::string& reason);

}
