#pragma once

#include "storage/array.hpp"
#include "storage/array.hpp"
#include "storage/model/ids.hpp"
#include "storage/session.hpp"

#include <string>
#include <vector>

namespace rowlock::storage {

// What those who wait for runs of plans, or follow them, are told from. Each function is one statement for everybody on an instance.

// Those of these runs of plans that have ended.
std::vector<execution_id> ended_plan_runs(session& s, const std::vector<execution_id>& ids);

// By what a change of a run is known: how many nodes it has, how many of them have ended, how, whether it is being stopped, its own end.
struct plan_run_state {
    std::string figures;
    bool ended = false;
    bool operator==(const plan_run_state&) const = default;
};

struct state_of_plan_run {
    uuid id;
    plan_run_state state;
};
// Cheap: no more than what tells whether something has changed.
std::vector<state_of_plan_run> read_plan_run_states(session& s, array& ids);

// The run as lists show it: without its nodes.
struct shown_plan_run {
    uuid id;
    tenant_key tenant;
    plan_run_state state;
    std::string json;
};
std::vector<shown_plan_run> read_shown_plan_runs(session& s, array& ids);

}
