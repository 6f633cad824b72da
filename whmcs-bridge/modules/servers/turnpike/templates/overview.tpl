{* The customer's page: service information, connection, traffic. Written for Smarty 3 and 4; everything is escaped. *}
<link rel="stylesheet" href="{if isset($WEB_ROOT)}{$WEB_ROOT|escape}/{/if}modules/servers/turnpike/assets/turnpike.css?v={$turnpike.version|escape}">
<div class="turnpike">
    {if !$turnpike.unavailable}
    <ul class="turnpike-tabs nav nav-tabs">
        {foreach $turnpike.tabs as $tab}
        <li class="nav-item{if $tab.active} active{/if}"><a class="nav-link{if $tab.active} active{/if}" href="{$tab.url|escape}"{if $tab.active} aria-current="page"{/if}>{$tab.label|escape}</a></li>
        {/foreach}
    </ul>
    {/if}
    {if $turnpike.unavailable}
    <div class="alert alert-warning" role="status">{$turnpike.unavailable|escape}</div>
    {/if}
    {if $turnpike.blocked}
    <div class="alert alert-danger" role="status">{$turnpike.blocked|escape}</div>
    {/if}

    <div class="card panel panel-default">
        <div class="card-header panel-heading"><h3 class="card-title panel-title">{$turnpikeLang.service_information|escape}</h3></div>
        <div class="card-body panel-body">
            {if $turnpike.information.instruction_url}
            <p><a class="btn btn-default" href="{$turnpike.information.instruction_url|escape}" target="_blank" rel="noopener noreferrer">{$turnpikeLang.user_manual|escape}</a></p>
            {/if}
            <dl>
                {if $turnpike.information.server_address}
                <dt>{$turnpikeLang.server_address|escape}</dt>
                <dd>{$turnpike.information.server_address|escape}</dd>
                {/if}
                {if $turnpike.information.protocols}
                <dt>{$turnpikeLang.protocols|escape}</dt>
                <dd>{$turnpike.information.protocols|escape}</dd>
                {/if}
                {if $turnpike.information.l2tp_psk}
                <dt>{$turnpikeLang.l2tp_psk|escape}</dt>
                <dd class="turnpike-secret">
                    <details>
                        <summary>{$turnpikeLang.show|escape}</summary>
                        <input class="form-control" id="turnpikePsk" type="text" readonly value="{$turnpike.information.l2tp_psk|escape}" aria-label="{$turnpikeLang.l2tp_psk|escape}">
                    </details>
                    <button class="btn btn-default btn-sm copy-to-clipboard" type="button" data-clipboard-target="#turnpikePsk">{$turnpikeLang.copy|escape}</button>
                </dd>
                {/if}
                <dt>{$turnpikeLang.username|escape}</dt>
                <dd class="turnpike-secret">
                    <input class="form-control" id="turnpikeUsername" type="text" readonly value="{$turnpike.information.username|escape}" aria-label="{$turnpikeLang.username|escape}">
                    <button class="btn btn-default btn-sm copy-to-clipboard" type="button" data-clipboard-target="#turnpikeUsername">{$turnpikeLang.copy|escape}</button>
                </dd>
                <dt>{$turnpikeLang.password|escape}</dt>
                <dd class="turnpike-secret">
                    <details>
                        <summary>{$turnpikeLang.show|escape}</summary>
                        <input class="form-control" id="turnpikePassword" type="text" readonly value="{$turnpike.information.password|escape}" aria-label="{$turnpikeLang.password|escape}">
                    </details>
                    <button class="btn btn-default btn-sm copy-to-clipboard" type="button" data-clipboard-target="#turnpikePassword">{$turnpikeLang.copy|escape}</button>
                </dd>
                <dt>{$turnpikeLang.connection_status|escape}</dt>
                <dd>
                    <span class="turnpike-status turnpike-status-{$turnpike.connection.status|escape}">{$turnpike.connection.label|escape}</span>
                    {if !empty($turnpike.connection.as_of)}<small class="text-muted">{$turnpike.connection.as_of|escape}</small>{/if}
                </dd>
                {foreach $turnpike.connection.rows as $row}
                <dt>{$row.label|escape}</dt>
                <dd>{$row.value|escape}</dd>
                {/foreach}
                {if $turnpike.information.bandwidth}
                <dt>{$turnpikeLang.bandwidth|escape}</dt>
                <dd>{$turnpike.information.bandwidth|escape}</dd>
                {/if}
            </dl>
        </div>
    </div>

    {if $turnpike.traffic}
    <div class="card panel panel-default">
        <div class="card-header panel-heading"><h3 class="card-title panel-title">{$turnpikeLang.traffic_information|escape}</h3></div>
        <div class="card-body panel-body">
            <dl>
                <dt>{$turnpikeLang.balance|escape}</dt>
                <dd><strong>{$turnpike.traffic.balance|escape}</strong></dd>
                {if $turnpike.traffic.next}
                <dt>{$turnpikeLang.next_cycle|escape}</dt>
                <dd>{$turnpike.traffic.next|escape}</dd>
                {/if}
            </dl>
        </div>
    </div>
    {/if}

    {if $turnpike.netflow}
    <div class="card panel panel-default">
        <div class="card-header panel-heading"><h3 class="card-title panel-title">{$turnpikeLang.network_usage|escape}</h3></div>
        <div class="card-body panel-body">
            {if $turnpike.netflow.url}
            <p><a class="btn btn-default" href="{$turnpike.netflow.url|escape}" target="_blank" rel="noopener noreferrer">{$turnpikeLang.netflow_open|escape}</a></p>
            {/if}
            <dl>
                {foreach $turnpike.netflow.rows as $row}
                <dt>{$row.label|escape}</dt>
                <dd>{$row.value|escape}</dd>
                {/foreach}
            </dl>
        </div>
    </div>
    {/if}
</div>
