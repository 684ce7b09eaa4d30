#pragma once

#include "tests/support/http_client.hpp"
#include "tests/support/private_postgres.hpp"
#include "tests/support/program.hpp"

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::test {

// A running server, and a client of it. Whatever a test leaves behind is killed with this object.
class server_process {
public:
    // `arguments` begin with `serve` or `dev`; --listen 127.0.0.1:0 is added. Returns when it listens; throws with what it wrote if it does not.
    explicit server_process(std::vector<std::string> arguments, environment_map environment = {});

    const std::string& address() const { return address_; }     // 127.0.0.1:PORT
    std::string url() const { return "http://" + address_; }
    program& process() { return *process_; }

    // SIGTERM; its exit code. Throws when it does not end.
    int terminate();
    void kill_hard();

    http_reply get(std::string_view target, const http_fields& fields = {}) const;
    http_reply post(std::string_view target, const boost::json::value& body, const http_fields& fields = {}) const;
    http_reply put(std::string_view target, const boost::json::value& body, const http_fields& fields = {}) const;

    // The sum of a metric over its labels. Throws where there is none.
    double metric(const std::string& name) const;

    // PUT of a job; throws unless it is accepted. `handler` as in a definition; `more` are further members of it.
    void define(const std::string& job_id, const boost::json::value& handler, const boost::json::object& more = {}) const;
    // Submits one execution; throws unless it is accepted. Its id.
    std::string submit(const std::string& job_id, const boost::json::object& parameters = {}) const;
    // The last attempt of the run, once the run has ended.
    boost::json::value ended(const std::string& execution_id) const;
    boost::json::value run(const std::string& job_id, const boost::json::object& parameters = {}) const { return ended(submit(job_id, parameters)); }
    boost::json::value execution(const std::string& execution_id) const;
    std::string status_of(const std::string& execution_id) const;
    void await_status(const std::string& execution_id, const std::string& status) const;

    // Sent with every request; for tokens.
    http_fields always{};

private:
    std::unique_ptr<program> process_;
    std::string address_;
};

// Without tokens, on a database of its own, with process jobs allowed. The same for all test cases of this run.
server_process& open_server();
const std::string& open_server_database();

// The first token of a database, for a server that wants one: an admin's, for all tenants, made with the command line. Throws where there is none.
std::string make_admin_token(const std::string& database_url);

// What `serve` needs to run process jobs of a test's making, for the environment.
environment_map any_program();

std::string text_at(const boost::json::value& from, std::string_view pointer);

}
