#pragma once

#include "ops/cli/refusal.hpp"
#include "ops/cli/runner_file.hpp"
#include "ops/cli/yaml_json.hpp"

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace rowlock::ops {

// One definition in a file: of a job, or of a plan, which is a document with nodes.
struct definition {
    std::string file;
    std::string id;                          // job_id or plan_id; empty: a plan that has none
    boost::json::object body;
    yaml_document document;                  // for the lines; its value has moved into `body`. Of a runner's job: that of its schedule alone

    // "job.yaml:3: timeout_seconds: must be positive (-1)".
    std::string complaint(const field_error& field) const;
};

// The definitions of all files in the order given, with everything that is wrong with them: files that cannot be read, YAML errors,
// documents that are no map or have no usable job_id, two definitions of the same job or plan. Runner files become the jobs of their schedules.
struct definition_set {
    std::vector<definition> jobs;
    std::vector<definition> plans;
    std::vector<std::string> complaints;
    std::vector<std::string> warnings;
};
// What a runner file is read with where nobody asks for anything else: the command that is the default of DATIVO_COMMAND.
runner_options default_runner_options();
// What a document may be; another is complained about.
enum class wanted_documents : std::uint8_t { jobs, plans, both };
// A directory stands for the YAML files in it and below.
definition_set load_definitions(const std::vector<std::string>& files, const runner_options& runners = default_runner_options(),
                                wanted_documents wanted = wanted_documents::jobs);

}
