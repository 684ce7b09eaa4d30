#include "tests/support/sql_user.hpp"

#include "storage/session.hpp"

namespace rowlock::test {

sql_user::sql_user(const std::string& database_url) : session_(database_url)
{
    // Roles belong to the cluster, which all test cases share.
    run(R"(do $$ begin
               if not exists (select from pg_roles where rolname = 'sql_user') then create role sql_user; end if;
           end $$;
           grant usage on schema rowlock to sql_user;
           grant execute on function rowlock.submit, rowlock.submit_many, rowlock.cancel, rowlock.wake to sql_user;
           set session authorization sql_user; set client_min_messages = warning; set lock_timeout = '20s')");
}

refused sql_user::try_to(const std::string& sql)
{
    try {
        run(sql);
        return {};
    } catch (const pqxx::insufficient_privilege& e) {
        return {"42501", e.what()};                    // libpqxx 6 does not pass this one on
    } catch (const pqxx::sql_error& e) {
        return {storage::sqlstate_of(e), e.what()};
    }
}

}
