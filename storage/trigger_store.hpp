#pragma once

#include "storage/model/error.hpp"
#include "storage/model/principal.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Triggers as they are read and switched. They come and go with the definitions of their jobs (job_store).

// By trigger_id. `cursor` is the last of the page before, "" at first. `job_id` and `source`: "" is any.
page list_triggers_json(session& s, tenant_key tenant, const std::string& job_id, const std::string& source, int limit, const std::string& cursor);
std::optional<std::string> find_trigger_json(session& s, tenant_key tenant, const std::string& trigger_id);
// What it did on events of its source, newest first. nullopt: the cursor is of no such list.
std::optional<page> list_activations_json(session& s, tenant_key tenant, const std::string& trigger_id, int limit, const std::string& cursor);
// False: there is no such trigger. One that is so already stays as it is.
bool switch_trigger(session& s, const principal& who, const std::string& trigger_id, bool enabled, const std::string& reason);

// What a call of a webhook is checked with.
struct webhook {
    int trigger = 0;                                 // trigger_key
    tenant_key tenant{};
    std::string source{};
    std::string secret{};                            // "": it is in the environment
    std::string secret_env{};
    std::int64_t now = 0;                            // of the database, in Unix seconds
};
// nullopt: there is no trigger of this id that is called so. Over all tenants.
std::optional<webhook> find_webhook(session& s, const std::string& trigger_id);

}
