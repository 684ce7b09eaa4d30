#include "ops/cli/definition_file.hpp"
#include "storage/model/job.hpp"
#include "storage/model/plan.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace rowlock;
namespace fs = std::filesystem;

TEST_CASE("every example and what the demo defines is a definition or a plan that is accepted", "[unit][ops]")
{
    const fs::path root = fs::path(__FILE__).parent_path() / "../../..";
    std::vector<std::string> files;
    for (const char* folder : {"ops/examples", "ops/demo"}) {
        for (const auto& entry : fs::directory_iterator(root / folder)) {
            if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
        }
    }
    CHECK(files.size() >= 6);
    const auto set = ops::load_definitions(files, ops::default_runner_options(), ops::wanted_documents::both);
    CHECK(set.complaints.empty());
    CHECK(set.jobs.size() + set.plans.size() == files.size());
    CHECK_FALSE(set.plans.empty());
    for (const auto& one : set.jobs) {
        INFO(one.file);
        const auto parsed = parse_job_definition(one.body, one.id, {});
        if (!parsed) {
            for (const auto& field : parsed.error().fields) UNSCOPED_INFO(one.complaint(field));
        }
        CHECK(parsed.has_value());
    }
    for (const auto& one : set.plans) {
        INFO(one.file);
        const auto parsed = parse_plan(one.body, one.id, {});
        if (!parsed) {
            for (const auto& field : parsed.error().fields) UNSCOPED_INFO(one.complaint(field));
        }
        CHECK(parsed.has_value());
    }
}
