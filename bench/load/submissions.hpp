#pragma once

#include "bench/load/http_connection.hpp"
#include "bench/load/scenarios.hpp"
#include "storage/model/time.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::bench {

// `count` submissions of a job, as they stand between the brackets of a JSON array; `due`: their scheduled_time.
std::string submissions(std::string_view job_id, std::size_t count, std::optional<timestamp> due = {});

// More than any measurement takes from now; nullopt unless the options say `stored`.
std::optional<timestamp> due_if_stored(const load_options& options);

// Connects, and submits so many in batches. `told`: the share that has been accepted. Throws as http_connection does, and `refused`.
runtime::awaitable<void> submit_all(const server& at, http_connection& over, std::string job_id, std::size_t count, std::optional<timestamp> due, std::function<void(double share)> told);

}
