#include "runtime/handlers/child_environment.hpp"

#include "runtime/handlers/program.hpp"

#include <cstdlib>
#include <fmt/format.h>

namespace rowlock::runtime {

std::map<std::string, std::string> inherited_environment()
{
    std::map<std::string, std::string> out{{"PATH", search_path()}};
    for (const char* name : {"HOME", "LANG", "TZ"}) {
        if (const char* value = std::getenv(name)) out[name] = value;
    }
    return out;
}

std::vector<std::string> child_environment(std::map<std::string, std::string> inherited, const std::map<std::string, std::string>& given, const assignment& work,
                                           const std::string& deadline, const attempt_paths& paths)
{
    auto& all = inherited;
    for (const auto& [name, value] : given) {
        if (!name.starts_with("ROWLOCK_")) all[name] = value;
    }
    all["ROWLOCK_EXECUTION_ID"] = work.id.str();
    all["ROWLOCK_RUN_ID"] = work.run_id.str();
    all["ROWLOCK_JOB_ID"] = work.job->definition.job_id;
    all["ROWLOCK_ATTEMPT_NUMBER"] = std::to_string(work.attempt_number);
    all["ROWLOCK_DEADLINE"] = deadline;
    if (work.scheduled_time) all["ROWLOCK_SCHEDULED_TIME"] = to_rfc3339(*work.scheduled_time);
    all["ROWLOCK_PARAMETERS_FILE"] = paths.parameters_file;
    all["ROWLOCK_RUN_DIR"] = paths.run_directory;
    if (const auto interval = work.job->definition.checkpoint.interval) all["ROWLOCK_CHECKPOINT_INTERVAL_SECONDS"] = fmt::format("{}", std::chrono::duration<double>(*interval).count());
    if (!paths.checkpoint_file.empty()) all["ROWLOCK_CHECKPOINT_FILE"] = paths.checkpoint_file;

    std::vector<std::string> out;
    for (const auto& [name, value] : all) out.push_back(name + "=" + value);
    return out;
}

}
