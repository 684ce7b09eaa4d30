#pragma once

#include "ops/cli/yaml_json.hpp"

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::ops {

// Runner files and job configurations of ingestion pipelines. A runner file lists schedules below runner.orchestrator.schedules, each with a name
// and the path of a job configuration; the program that is started reads the configuration itself. Here each schedule becomes a job of that
// name with that schedule.

// What is to become of them.
struct runner_options {
    // The command of the jobs; {{ config }}, {{ name }} and {{ tenant_id }} are replaced.
    std::string command;
    // Jobs without the schedules and limits that the files ask for; else files that ask for limits are refused.
    bool without_schedules = false;
};

// A document of a file, and the name of the file.
struct file_document {
    std::string file;
    yaml_document document;
};

bool is_runner(const yaml_document& document);
// Such a document makes no job by itself: it says of which tenant and source a job is, and how it is retried.
bool is_job_configuration(const yaml_document& document);

// A job that a schedule has become.
struct runner_job {
    boost::json::object body;
    int line = 1;                            // of the schedule, for complaints
};

struct runner_jobs {
    std::vector<runner_job> jobs;
    std::vector<std::string> complaints;
    std::vector<std::string> warnings;
};

// The jobs of a runner file. `configurations` are those that were given beside it; a schedule's configuration is the one whose path ends like its
// `config`, else the file at that path, where there is one. What is wrong with the file is told whole. `used[i]` becomes true where configurations[i]
// belongs to a schedule.
runner_jobs jobs_of_runner(const file_document& runner, const std::vector<file_document>& configurations, const runner_options& options, std::vector<bool>& used);

}
