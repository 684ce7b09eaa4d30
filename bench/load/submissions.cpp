#include "bench/load/submissions.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::bench {

namespace {

constexpr std::size_t batch = 1000;
constexpr std::chrono::hours later{24};

}

std::string submissions(std::string_view job_id, std::size_t count, std::optional<timestamp> due)
{
    const std::string when = due ? fmt::format(R"(, "scheduled_time": "{}")", to_rfc3339(*due)) : "";
    std::string list;
    for (std::size_t i = 0; i < count; ++i) list += fmt::format(R"({}{{"job_id": "{}", "parameters": {{"n": {}}}{}}})", i > 0 ? ", " : "", job_id, i, when);
    return list;
}

std::optional<timestamp> due_if_stored(const load_options& options)
{
    if (!options.stored) return std::nullopt;
    return wall_clock() + later;
}

runtime::awaitable<void> submit_all(const server& at, http_connection& over, std::string job_id, std::size_t count, std::optional<timestamp> due, std::function<void(double share)> told)
{
    co_await over.connect();
    for (std::size_t done = 0; done < count; done += batch) {
        told(static_cast<double>(done) / static_cast<double>(count));
        const std::string body = fmt::format(R"({{"executions": [{}]}})", submissions(job_id, std::min(batch, count - done), due));
        const std::string request = at.request("POST", "/v1/executions/batch", body);
        const reply answer = co_await over.exchange(request);
        if (answer.status != 201) throw refused("a batch was refused", answer.status, std::string(answer.body));
    }
}

}
