#include "storage/model/error_codes.hpp"

namespace rowlock {

namespace {

constexpr error_code_entry table[] = {
    {"TIMEOUT", "TIMEOUT", 0, "the attempt ran longer than timeout_seconds", "Raise timeout_seconds, choose timeout_action EXTEND, or find out why it is slow."},
    {"TIMEOUT_WARNING", "TIMEOUT", 0, "an attempt with timeout_action WARN runs longer than timeout_seconds; it goes on", "Raise timeout_seconds if this is as it should be."},
    {"HEARTBEAT_LOST", "TIMEOUT", 0, "no sign of life for heartbeat.missed_limit intervals", "The job hangs, or sends heartbeats too rarely: compare its log with heartbeat.interval_seconds."},
    {"EXPIRED", "TIMEOUT", 0, "it waited in the queue for longer than queue_timeout_seconds, or for another job for longer than a dependency allows", "Look at what held it back, add capacity, or raise queue_timeout_seconds or the dependency's timeout_seconds."},
    {"LEASE_LOST", "TRANSIENT", 0, "the instance that ran it died or lost contact with the database", "Nothing is lost: the next attempt goes on from the last good checkpoint. See the runbook instance-died.md."},
    {"CONNECTION_FAILED", "TRANSIENT", 0, "the http target, or the database of a sql job, cannot be reached, or broke the connection off", "Check that the target runs and that its name and port are right."},
    {"RATE_LIMITED", "TRANSIENT", 0, "the http target answered 429", "The target's Retry-After is honoured; lower the job's rate if this goes on."},
    {"HTTP_<status>", "TRANSIENT", 0, "the http target answered with this status; 4xx other than 408, 425 and 429 are PERMANENT", "The error message has the beginning of the target's answer."},
    {"SQL_<sqlstate>", "TRANSIENT", 0, "PostgreSQL refused the statement of a sql job with this SQLSTATE", "The error message is PostgreSQL's; its manual lists the states. Name those that a repeat cannot mend in non_retryable_errors."},
    {"EXIT_<code>", "TRANSIENT", 0, "the process ended with this exit code", "Its log says why: rowlock execution log ID."},
    {"SIGNAL_<name>", "TRANSIENT", 0, "the process was ended by this signal, not by Rowlock", "SIGNAL_KILL is often the kernel, out of memory: see memory_limit_bytes and the kernel's log."},
    {"INVALID_CONFIG", "PERMANENT", 0, "the definition cannot be carried out with these parameters", "Correct the definition or the parameters, then replay it."},
    {"INVALID_RESULT", "PERMANENT", 0, "what the job gave back cannot be taken as its result", "Correct what the job writes, or the paths `success` and `failure` of its handler."},
    {"PERMISSION_DENIED", "PERMANENT", 0, "the program may not be run, the address may not be asked, or a policy does not allow the job", "See PROCESS_ALLOWED_PROGRAMS, HTTP_ALLOW_PRIVATE_ADDRESSES, and the policy that the message names: rowlock policy show ID."},
    {"BUDGET_EXCEEDED", "PERMANENT", 429, "the attempts, seconds or cost units that a policy allows the run, its plan run, or its tenant for the day, are used up", "rowlock policy show ID has the budget: raise it and retry by hand, or replay the job as a new run."},
    {"OUTPUT_LIMIT", "PERMANENT", 0, "it wrote more than output_limit_bytes or response_limit_bytes", "Write large results to files (artifacts), or raise the limit."},
    {"HOOK_FAILED", "TRANSIENT", 0, "the hook before the job could not be called, or refused", "See the error message, and hooks.before of the definition."},
    {"PLAN_FAILED", "TRANSIENT", 0, "the plan of a composite job failed", "The error message names the nodes. The next attempt keeps what has completed."},
    {"PLAN_CANCELLED", "PERMANENT", 0, "somebody cancelled the plan of a composite job", "GET /v1/plan-runs/ID says who and why. To retry the job by hand keeps what has completed."},
    {"RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", 503, "the machine had no memory, disk, processes or open files left for it; without an execution: an instance is short of a resource", "Free what is short, or lower EXECUTOR_PARALLELISM. See the runbooks pressure.md and disk-full.md."},
    {"STATE_CORRUPTION", "STATE_CORRUPTION", 0, "a checkpoint or an artifact is not what was recorded", "An older good checkpoint was used, if there was one. Look for damaged storage."},
    {"CHECKPOINT_TOO_LARGE", "PERMANENT", 0, "a checkpoint exceeds checkpoint.max_bytes and was not kept; the job goes on", "Save less, or raise checkpoint.max_bytes."},
    {"CANCELLED", "CANCELLED", 0, "somebody cancelled it", "The transitions say who and why: rowlock execution transitions ID."},
    {"HANDLER_FAILED", "TRANSIENT", 0, "a defect of Rowlock", "The server's log has more. Please report it."},
    {"SCHED_001_INVALID_CRON", "SCHEDULING", 422, "the cron expression cannot be understood, or never fires", "rowlock schedule next --cron shows what an expression means."},
    {"SCHED_002_INVALID_TIMEZONE", "SCHEDULING", 422, "there is no such time zone", "Use a name of the IANA database, like Europe/Berlin."},
    {"SCHED_003_SCHEDULE_CONFLICT", "SCHEDULING", 422, "the members of the schedule contradict each other", "Keep one of those that the error names."},
    {"SCHED_004_INVALID_TRIGGER", "SCHEDULING", 422, "the trigger's configuration cannot be used", "Correct the members that the error names."},
    {"SCHED_005_EVALUATION_FAILED", "SCHEDULING", 0, "the next time could not be computed or the execution not be made", "The schedule is marked invalid: put the job again when its cause is gone."},
    {"DEP_001_MISSING_UPSTREAM", "DEPENDENCY", 0, "the upstream job does not exist, or exists no longer", "Define the upstream job, or remove the dependency."},
    {"DEP_002_CYCLE_DETECTED", "DEPENDENCY", 422, "the dependencies form a cycle", "cycle_path lists it: remove one of its edges."},
    {"DEP_003_UPSTREAM_TIMEOUT", "DEPENDENCY", 0, "the upstream did not end in time", "Look at the upstream, or raise the dependency's timeout."},
    {"DEP_004_STALE_REFERENCE", "DEPENDENCY", 0, "the dependency names a version or an output that is no longer there", "Put the job again with a reference that exists."},
    {"EXEC_001_INGESTION_FAILED", "TRANSIENT", 0, "reported by an ingestion module: its source could not be read", "See the module's own message."},
    {"EXEC_002_VALIDATION_FAILED", "PERMANENT", 0, "reported by a module: what it read is not valid", "Correct the input, then replay it."},
    {"EXEC_003_TRANSFORM_FAILED", "TRANSIENT", 0, "reported by a transformation module", "See the module's own message."},
    {"EXEC_004_OUTPUT_FAILED", "TRANSIENT", 0, "reported by an output module: its target could not be written", "See the module's own message."},
    {"EXEC_005_SERVICE_UNAVAILABLE", "TRANSIENT", 0, "reported by a module: a service that it needs does not answer", "It is retried; a circuit breaker spares the service meanwhile."},
};

// "EXIT_" of "EXIT_<code>"; "" of a code that is no family.
constexpr std::string_view family_of(std::string_view code)
{
    const auto mark = code.find('<');
    return mark == std::string_view::npos ? std::string_view{} : code.substr(0, mark);
}

}

std::span<const error_code_entry> all_error_codes()
{
    return table;
}

const error_code_entry* find_error_code(std::string_view code)
{
    for (const auto& entry : table) {
        const auto family = family_of(entry.code);
        if (family.empty() ? entry.code == code : code.size() > family.size() && code.starts_with(family)) return &entry;
    }
    return nullptr;
}

std::string_view hint_of(std::string_view code)
{
    if (const auto* entry = find_error_code(code)) return entry->hint;
    return "The job itself reported this: its log and its makers know more.";
}

}
